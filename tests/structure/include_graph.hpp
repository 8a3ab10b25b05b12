// tests/structure/include_graph.hpp: reads the #include lines of a header tree and checks them against a table of
// rules.
//
// A room is a folder directly below the root; the files beside the rooms form no room. A path is relative to the root,
// with '/' between its parts.
#ifndef OCTAVO_TESTS_STRUCTURE_INCLUDE_GRAPH_HPP_
#define OCTAVO_TESTS_STRUCTURE_INCLUDE_GRAPH_HPP_

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace structure {

struct Include {
  std::string target;     // path of an own header; the text between the angle brackets otherwise
  bool own = false;       // written with quotes
  bool optional = false;  // inside a conditional that asks __has_include
  int line = 0;
};

struct Header {
  std::vector<Include> includes;
  std::vector<std::string> lines;
};

using Tree = std::map<std::string, Header>;

// Which own rooms a room may include, itself excepted.
struct RoomRule {
  std::string room;
  std::vector<std::string> may_include;
};

// Who may include the foreign headers that begin with `prefix`. A place is a room ("nn") or one file. System headers
// come with the compiler or the operating system; the others are third parties'.
struct ExternalRule {
  std::string prefix;
  std::vector<std::string> places;
  bool system = false;
};

// What `from` (a room or one file) must not reach over any number of own headers: rooms, files, or, after a '<',
// prefixes of third-party headers ("<" alone: every one of them). Third-party headers behind a conditional that asks
// __has_include, in the same file or around the include of an own header, do not count.
struct ReachRule {
  std::string from;
  std::vector<std::string> never;
};

struct Rules {
  std::vector<RoomRule> rooms;
  std::vector<ExternalRule> externals;
  std::vector<ReachRule> reach;
  std::vector<std::string> common;  // files that every room may include
  std::size_t max_lines = 500;
};

inline std::string room_of(const std::string& path) {
  const auto slash = path.find('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

inline bool is_in(const std::string& path, const std::string& place) { return path == place || room_of(path) == place; }

// <vector>, <cstdint>: the standard library's names have neither a dot nor a slash.
inline bool is_standard(const std::string& target) { return target.find_first_of("./") == std::string::npos; }

inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

inline Header read_header(const std::filesystem::path& root, const std::string& path) {
  std::ifstream file(root / path);
  if (!file) throw std::runtime_error("cannot read " + (root / path).string());
  Header header;
  std::vector<bool> asks;  // for each open conditional: does it, or one around it, ask __has_include?
  for (std::string line; std::getline(file, line);) {
    header.lines.push_back(line);
    std::string_view text = trimmed(line);
    if (text.empty() || text.front() != '#') continue;
    text = trimmed(text.substr(1));
    const bool asked = text.find("__has_include") != std::string_view::npos;
    if (text.starts_with("if")) asks.push_back(asked || (!asks.empty() && asks.back()));
    if (text.starts_with("elif") && !asks.empty() && asked) asks.back() = true;
    if (text.starts_with("endif") && !asks.empty()) asks.pop_back();
    if (!text.starts_with("include")) continue;
    text = trimmed(text.substr(7));
    const bool own = text.starts_with('"');
    const auto close = text.find(own ? '"' : '>', 1);
    if ((!own && !text.starts_with('<')) || close == std::string_view::npos) continue;
    Include include{std::string(text.substr(1, close - 1)), own, !asks.empty() && asks.back(),
                    static_cast<int>(header.lines.size())};
    if (own)
      include.target = (std::filesystem::path(path).parent_path() / include.target).lexically_normal().generic_string();
    header.includes.push_back(include);
  }
  return header;
}

// All *.hpp below `root`.
inline Tree read_tree(const std::filesystem::path& root) {
  Tree tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".hpp") continue;
    const std::string path = entry.path().lexically_relative(root).generic_string();
    tree.emplace(path, read_header(root, path));
  }
  return tree;
}

// One line per broken rule, "<file>:<line>: <what>"; empty for a good tree.
class Checker {
 public:
  Checker(const Tree& tree, const Rules& rules) : tree_(tree), rules_(rules) {}

  std::vector<std::string> run() {
    for (const auto& [path, header] : tree_) {
      check_form(path, header);
      check_cycle(path);
      for (const Include& include : header.includes)
        include.own ? check_own(path, include) : check_external(path, include);
    }
    for (const ReachRule& rule : rules_.reach)
      for (const auto& [path, header] : tree_)
        if (is_in(path, rule.from)) check_reach(path, rule);
    return findings_;
  }

 private:
  void report(const std::string& path, int line, const std::string& what) {
    findings_.push_back(path + ":" + std::to_string(line) + ": " + what);
  }

  // The purpose line, the include guard, the length. A *_body.hpp is included once a level: it has no guard, and is
  // empty until its includer has named the level.
  void check_form(const std::string& path, const Header& header) {
    std::string guard = "OCTAVO_";
    for (const char c : path)
      guard += c == '/' || c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    guard += '_';
    const auto& lines = header.lines;
    if (lines.empty() || !lines.front().starts_with("// octavo/" + path + ": "))
      report(path, 1, "the first line must be '// octavo/" + path + ": <purpose>'");
    const auto open = std::find(lines.begin(), lines.end(), "#ifndef " + guard);
    const bool guarded = open != lines.end() && open + 1 != lines.end() && *(open + 1) == "#define " + guard;
    const bool silent = std::any_of(lines.begin(), lines.end(),
                                    [](const std::string& line) { return line.starts_with("#ifdef OCTAVO_DETAIL_"); });
    if (path.ends_with("_body.hpp")) {
      if (!silent || !header.includes.empty())
        report(path, 1, "a body stands within '#ifdef OCTAVO_DETAIL_...' and includes nothing");
    } else if (!guarded) {
      report(path, 1, "the include guard must be " + guard);
    }
    if (lines.size() > rules_.max_lines)
      report(path, static_cast<int>(rules_.max_lines) + 1,
             "longer than " + std::to_string(rules_.max_lines) + " lines");
  }

  void check_own(const std::string& path, const Include& include) {
    if (!tree_.contains(include.target)) return report(path, include.line, "no such header: " + include.target);
    const std::string from = room_of(path);
    const std::string to = room_of(include.target);
    if (from == to) return;
    if (std::count(rules_.common.begin(), rules_.common.end(), include.target) != 0) return;
    if (from.empty()) return;  // octavo.hpp and runtime.hpp gather rooms; what they reach is checked apart
    const auto rule =
        std::find_if(rules_.rooms.begin(), rules_.rooms.end(), [&](const RoomRule& r) { return r.room == from; });
    if (rule == rules_.rooms.end()) return report(path, include.line, "room '" + from + "' has no rule");
    if (std::count(rule->may_include.begin(), rule->may_include.end(), to) == 0)
      report(path, include.line, "room '" + from + "' must not include " + include.target);
  }

  void check_external(const std::string& path, const Include& include) {
    if (is_standard(include.target)) return;
    if (include.target.starts_with("octavo/"))
      return report(path, include.line, "own headers are included by relative path, in quotes");
    for (const ExternalRule& rule : rules_.externals) {
      if (!include.target.starts_with(rule.prefix)) continue;
      if (std::none_of(rule.places.begin(), rule.places.end(), [&](const auto& place) { return is_in(path, place); }))
        report(path, include.line, "<" + include.target + "> has no place here");
      return;
    }
    report(path, include.line, "<" + include.target + "> is in no rule");
  }

  // x_impl.hpp holds the bodies of x.hpp, which includes it at its end; it may name x.hpp in return.
  static bool is_twin(const std::string& path, const std::string& target) {
    const std::string_view tail = "_impl.hpp";
    return path.ends_with(tail) && path.substr(0, path.size() - tail.size()) + ".hpp" == target;
  }

  // Own headers that `start` reaches, each with the one that includes it; `start` itself only if it is in a cycle.
  // `optional`: also through includes that are asked for by __has_include.
  std::map<std::string, std::string> reached_from(const std::string& start, bool optional = true) const {
    std::map<std::string, std::string> from;
    std::vector<std::string> open{start};
    while (!open.empty()) {
      const std::string path = open.back();
      open.pop_back();
      const auto header = tree_.find(path);
      if (header == tree_.end()) continue;
      for (const Include& include : header->second.includes)
        if (include.own && (optional || !include.optional) && !is_twin(path, include.target) &&
            from.emplace(include.target, path).second)
          open.push_back(include.target);
    }
    return from;
  }

  static std::string trail(const std::map<std::string, std::string>& from, const std::string& start, std::string end) {
    std::string text = end;
    for (end = from.at(end); end != start; end = from.at(end)) text = end + " -> " + text;
    return start + " -> " + text;
  }

  void check_cycle(const std::string& start) {
    const auto from = reached_from(start);
    if (from.contains(start)) report(start, 1, "includes itself: " + trail(from, start, start));
  }

  void check_reach(const std::string& start, const ReachRule& rule) {
    const auto from = reached_from(start);
    for (const auto& reached : from) {
      const std::string& path = reached.first;
      const auto holds = [&](const std::string& place) { return is_in(path, place); };
      if (path != start && std::any_of(rule.never.begin(), rule.never.end(), holds))
        report(start, 1, "must not reach " + trail(from, start, path));
    }
    const auto required = reached_from(start, false);
    const auto check_externals = [&](const std::string& path) {
      for (const Include& include : tree_.at(path).includes)
        if (!include.own && !include.optional && forbidden_external(include.target, rule))
          report(start, 1,
                 "must not reach <" + include.target + ">, included by " +
                     (path == start ? path : trail(required, start, path)));
    };
    check_externals(start);
    for (const auto& [path, includer] : required)
      if (path != start && tree_.contains(path)) check_externals(path);
  }

  bool forbidden_external(const std::string& target, const ReachRule& rule) const {
    if (is_standard(target)) return false;
    const auto known = std::find_if(rules_.externals.begin(), rules_.externals.end(),
                                    [&](const ExternalRule& e) { return target.starts_with(e.prefix); });
    if (known != rules_.externals.end() && known->system) return false;
    return std::any_of(rule.never.begin(), rule.never.end(),
                       [&](const auto& what) { return what.starts_with('<') && ("<" + target).starts_with(what); });
  }

  const Tree& tree_;
  const Rules& rules_;
  std::vector<std::string> findings_;
};

inline std::vector<std::string> broken_rules(const std::filesystem::path& root, const Rules& rules) {
  const Tree tree = read_tree(root);
  return Checker(tree, rules).run();
}

}  // namespace structure

#endif  // OCTAVO_TESTS_STRUCTURE_INCLUDE_GRAPH_HPP_
