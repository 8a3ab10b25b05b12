// tests/structure/architecture_test.cpp: the rooms of include/octavo and the arrows between them
// (docs/architecture.md).
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "include_graph.hpp"

namespace {

namespace fs = std::filesystem;
using structure::Rules;

// core <- quant <- kernels; on these runtime, and nn <- train, which never see each other; compress sees both; data
// needs only core; io and report stand on top.
const Rules& octavo_rules() {
  static const Rules rules{
      .rooms =
          {
              {"core", {}},
              {"quant", {"core"}},
              {"kernels", {"core", "quant"}},
              {"runtime", {"core", "quant", "kernels"}},
              {"nn", {"core", "quant", "kernels"}},
              {"data", {"core"}},
              {"train", {"core", "quant", "kernels", "nn", "data"}},
              {"compress", {"core", "quant", "kernels", "nn", "data", "train", "runtime"}},
              {"io", {"core", "quant", "kernels", "nn", "data", "train", "runtime", "compress"}},
              {"report", {"core", "quant", "kernels", "nn", "data", "train", "runtime", "compress", "io"}},
          },
      .externals =
          {
              {"xtensor", {"core/tensor.hpp"}},
              {"Eigen/", {"core/tensor.hpp", "nn", "train", "data", "compress"}},
              {"stb", {"data"}},
              {"zlib.h", {"data"}},
              {"protozero/", {"io"}},
              {"hdf5.h", {"io/keras_h5.hpp"}},
              {"flatbuffers/", {"io"}},
              {"omp.h", {"core/parallel.hpp"}, true},
              {"cpuid.h", {"core/cpu.hpp", "io/checksum.hpp"}, true},
              {"immintrin.h", {"kernels", "io/checksum.hpp"}, true},
              {"emmintrin.h", {"data/stb_decode.hpp"}, true},
              {"arm_neon.h", {"kernels", "data/stb_decode.hpp"}, true},
              {"sys/", {"core", "io"}, true},
              {"fcntl.h", {"core", "io"}, true},
              {"unistd.h", {"core", "io", "train"}, true},
          },
      .reach =
          {
              {"runtime.hpp", {"nn", "train", "data", "compress", "report", "core/tensor.hpp"}},
              {"runtime.hpp", {"<"}},
              {"octavo.hpp", {"<stb", "<zlib", "<protozero", "<flatbuffers", "io/keras_h5.hpp"}},
              {"quant", {"<"}},
              {"kernels", {"<"}},
              {"runtime", {"<"}},
          },
      .common = {"config.hpp", "version.hpp"},
      .max_lines = 500,
  };
  return rules;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

// A tree in a temporary folder, removed at the end.
class TemporaryTree {
 public:
  TemporaryTree() {
    std::string name = (fs::temp_directory_path() / "octavo-architecture-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~TemporaryTree() { fs::remove_all(root_); }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;

  // Adds a header in good form with this body.
  void add(const std::string& path, const std::string& body) {
    std::string guard = "OCTAVO_" + path + "_";
    for (char& c : guard)
      c = c == '/' || c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    write(path,
          "// octavo/" + path + ": a header.\n#ifndef " + guard + "\n#define " + guard + "\n" + body + "#endif\n");
  }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  [[nodiscard]] std::vector<std::string> findings() const { return structure::broken_rules(root_, octavo_rules()); }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("the headers keep to the arrows, to their third parties and to the house form") {
  const auto findings = structure::broken_rules(OCTAVO_INCLUDE_DIR, octavo_rules());
  CHECK_MESSAGE(findings.empty(), joined(findings));
  CHECK(structure::read_tree(OCTAVO_INCLUDE_DIR).size() > 10);
}

TEST_CASE("a good tree has no findings") {
  TemporaryTree tree;
  tree.add("config.hpp", "#include <cstdint>\n");
  tree.add("core/tensor.hpp", "#include <xtensor/xarray.hpp>\n#include \"../config.hpp\"\n");
  tree.add("core/cpu.hpp", "#include <cpuid.h>\n");
  tree.add("core/rng.hpp", "#include \"rng_impl.hpp\"\n");
  tree.add("core/rng_impl.hpp", "#include \"rng.hpp\"\n");
  tree.add("kernels/x86/gemm.hpp", "#include <immintrin.h>\n#include \"../../core/cpu.hpp\"\n");
  tree.add("runtime/model.hpp", "#include \"../kernels/x86/gemm.hpp\"\n");
  tree.add("io/manifest.hpp", "#include <fcntl.h>\n#include \"../runtime/model.hpp\"\n");
  tree.add("data/image.hpp", "#if __has_include(<stb/stb_image.h>)\n#include <stb/stb_image.h>\n#endif\n");
  tree.add("nn/conv.hpp", "#include <Eigen/Core>\n#include \"../core/tensor.hpp\"\n");
  tree.add("runtime.hpp", "#include \"io/manifest.hpp\"\n");
  tree.add("data/idx.hpp", "#include <zlib.h>\n");
  tree.add("octavo.hpp",
           "#include \"data/image.hpp\"\n#include \"nn/conv.hpp\"\n#include \"runtime.hpp\"\n"
           "#if __has_include(<zlib.h>)\n#include \"data/idx.hpp\"\n#endif\n");
  CHECK_MESSAGE(tree.findings().empty(), joined(tree.findings()));
}

TEST_CASE("each kind of bad header is found") {
  struct Bad {
    const char* path;
    const char* body;
    const char* expected;  // part of the one finding
  };
  const Bad cases[] = {
      {"core/a.hpp", "#include \"../nn/layer.hpp\"\n", "core/a.hpp:4: room 'core' must not include nn/layer.hpp"},
      {"kernels/x86/a.hpp", "#include \"../../runtime/model.hpp\"\n", "must not include runtime/model.hpp"},
      {"runtime/a.hpp", "\n  #  include \"../nn/layer.hpp\"\n", "runtime/a.hpp:5: room 'runtime' must not include"},
      {"nn/a.hpp", "#include \"../runtime/model.hpp\"\n", "room 'nn' must not include runtime/model.hpp"},
      {"data/a.hpp", "#include \"../nn/layer.hpp\"\n", "room 'data' must not include nn/layer.hpp"},
      {"cellar/a.hpp", "#include \"../nn/layer.hpp\"\n", "room 'cellar' has no rule"},
      {"core/a.hpp", "#include \"absent.hpp\"\n", "no such header: core/absent.hpp"},
      {"core/a.hpp", "#include \"a.hpp\"\n", "includes itself: core/a.hpp -> core/a.hpp"},
      {"core/a.hpp", "#include <octavo/config.hpp>\n", "by relative path"},
      {"nn/a.hpp", "#include <nlohmann/json.hpp>\n", "<nlohmann/json.hpp> is in no rule"},
      {"nn/a.hpp", "#include <protozero/types.hpp>\n", "<protozero/types.hpp> has no place here"},
      {"nn/a.hpp", "#include <xtensor/xarray.hpp>\n", "<xtensor/xarray.hpp> has no place here"},
      {"io/a.hpp", "#include <Eigen/Core>\n", "<Eigen/Core> has no place here"},
      {"io/a.hpp", "#include <stb/stb_image.h>\n", "<stb/stb_image.h> has no place here"},
      {"io/a.hpp", "#include <boost/any.hpp>\n", "<boost/any.hpp> is in no rule"},
      {"kernels/a.hpp", "#include \"../core/tensor.hpp\"\n",
       "must not reach <xtensor/xarray.hpp>, included by kernels/a.hpp -> core/tensor.hpp"},
      {"octavo.hpp", "#include \"data/image.hpp\"\n", "must not reach <stb/stb_image.h>"},
      {"runtime.hpp", "#include \"io/onnx.hpp\"\n", "must not reach runtime.hpp -> io/onnx.hpp -> nn/layer.hpp"},
  };
  for (const Bad& bad : cases) {
    CAPTURE(bad.path);
    CAPTURE(bad.body);
    TemporaryTree tree;
    tree.add("config.hpp", "");
    tree.add("core/tensor.hpp", "#include <xtensor/xarray.hpp>\n");
    tree.add("nn/layer.hpp", "");
    tree.add("runtime/model.hpp", "");
    tree.add("data/image.hpp", "#include <stb/stb_image.h>\n");
    tree.add("io/onnx.hpp", "#include \"../nn/layer.hpp\"\n");
    tree.add(bad.path, bad.body);
    const auto findings = tree.findings();
    REQUIRE_MESSAGE(findings.size() == 1, joined(findings));
    CHECK_MESSAGE(findings.front().find(bad.expected) != std::string::npos, findings.front());
  }
}

TEST_CASE("a long cycle, a wrong purpose line, a wrong guard, a long header and a loud body are found") {
  TemporaryTree cycle;
  cycle.add("core/a.hpp", "#include \"b.hpp\"\n");
  cycle.add("core/b.hpp", "#include \"c.hpp\"\n");
  cycle.add("core/c.hpp", "#include \"a.hpp\"\n");
  CHECK(cycle.findings().size() == 3);

  TemporaryTree form;
  form.write("core/a.hpp", "#ifndef A_HPP\n#define A_HPP\n" + std::string(500, '\n') + "#endif\n");
  const auto findings = form.findings();
  REQUIRE(findings.size() == 3);
  CHECK(findings[0].find("first line") != std::string::npos);
  CHECK(findings[1].find("OCTAVO_CORE_A_HPP_") != std::string::npos);
  CHECK(findings[2].find("longer than 500 lines") != std::string::npos);

  TemporaryTree bodies;
  bodies.write("core/good_body.hpp", "// octavo/core/good_body.hpp: x.\n#ifdef OCTAVO_DETAIL_LEVEL\n#endif\n");
  bodies.add("core/bad_body.hpp", "#include <vector>\n");
  REQUIRE(bodies.findings().size() == 1);
  CHECK(bodies.findings().front().find("core/bad_body.hpp:1: a body stands") != std::string::npos);
}
