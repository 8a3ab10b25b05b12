// io/json.hpp against nlohmann/json: the same texts are accepted and rejected, and mean the same.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/json.hpp"

using octavo::Error;
using octavo::io::Json;
using octavo::io::parse_json;

namespace {

bool same(const Json& ours, const nlohmann::json& theirs) {
  if (ours.is_object()) {
    if (!theirs.is_object() || ours.object().size() != theirs.size()) return false;
    for (const auto& [key, value] : ours.object())
      if (!theirs.contains(key) || !same(value, theirs.at(key))) return false;
    return true;
  }
  if (ours.is_array()) {
    if (!theirs.is_array() || ours.array().size() != theirs.size()) return false;
    for (std::size_t i = 0; i < theirs.size(); ++i)
      if (!same(ours.array()[i], theirs.at(i))) return false;
    return true;
  }
  if (ours.is_string()) return theirs.is_string() && ours.string() == theirs.get<std::string>();
  if (ours.is_number()) return theirs.is_number() && ours.number() == theirs.get<double>();
  if (ours.is_null()) return theirs.is_null();
  return theirs.is_boolean() && ours.boolean() == theirs.get<bool>();
}

const std::string kSample =
    R"({"name": "caf\u00e9 \ud83d\ude00 é\n", "n": [0, -1, 9007199254740993, 1.5e-3, -0.0, 1E+2], "empty": {}, "none": [],
 "deep": [[[{"a": [true, false, null]}]]], "quote\"\\\/\b\f\r\t": "\u0001"})";

}  // namespace

TEST_CASE("json: reads what nlohmann reads") {
  const Json ours = parse_json(kSample);
  CHECK(same(ours, nlohmann::json::parse(kSample)));
  CHECK(ours.at("n").array()[2].integer() == 9007199254740993);
  for (const int lines : {0, 1, 2, 9}) {
    CHECK(same(ours, nlohmann::json::parse(ours.dump(lines))));
    CHECK(parse_json(ours.dump(lines)) == ours);
  }
}

TEST_CASE("json: 20,000 mutated texts, accepted and rejected as nlohmann does") {
  octavo::Rng rng(11);
  int accepted = 0;
  int rejected = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = kSample;
    const auto edits = 1 + rng.below(3);
    for (std::uint64_t edit = 0; edit < edits; ++edit) {
      const auto at = static_cast<std::size_t>(rng.below(text.size()));
      constexpr std::string_view alphabet = "{}[]\",:\\0123456789eE+-.utrfalsn \x80\xc3\xa9\xed\x00";
      if (rng.below(3) == 0)
        text.erase(at, 1 + static_cast<std::size_t>(rng.below(4)));
      else
        text[at] = alphabet[static_cast<std::size_t>(rng.below(alphabet.size()))];
      if (text.empty()) text.push_back(' ');
    }
    const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
    bool duplicate = false;  // nlohmann keeps the last of two members, we refuse
    try {
      const Json ours = parse_json(text);
      REQUIRE_MESSAGE(!theirs.is_discarded(), text);
      REQUIRE_MESSAGE(same(ours, theirs), text);
      ++accepted;
    } catch (const Error& error) {
      duplicate = std::string(error.what()).find("twice") != std::string::npos;
      REQUIRE_MESSAGE((theirs.is_discarded() || duplicate), text << "\n" << error.what());
      ++rejected;
    }
  }
  CHECK(accepted > 1000);
  CHECK(rejected > 1000);
}

TEST_CASE("json: errors say where and what") {
  CHECK_THROWS_WITH_AS(parse_json("{\"a\": 1,\n  \"b\" 2}"), "json, line 2, column 7: expected ':'", Error);
  CHECK_THROWS_WITH_AS(parse_json("[1, 2] 3"), "json, line 1, column 8: unexpected text after the value", Error);
  CHECK_THROWS_WITH_AS(parse_json(R"({"a":1,"b":2,"a":3})"),
                       "json, line 1, column 20: the object that ends here has a member twice", Error);
  CHECK_THROWS_AS(parse_json(""), Error);
  CHECK_THROWS_AS(parse_json("1e999"), Error);
  CHECK_THROWS_AS(parse_json(std::string(100000, '[')), Error);
  CHECK_THROWS_WITH_AS(parse_json("[1,2,3,4]", 3), "json, line 1, column 6: too many values", Error);
  const Json value = parse_json(R"({"a": "text", "n": 1.5})");
  CHECK_THROWS_WITH_AS((void)value.at("b"), "member 'b' is missing", Error);
  CHECK_THROWS_WITH_AS((void)value.at("a").number(), "expected a number, found a string", Error);
  CHECK_THROWS_WITH_AS((void)value.at("n").integer(), "expected an integer, found a number", Error);
  CHECK_THROWS_WITH_AS((void)Json(7).integer(0, 5), "expected an integer within [0, 5], found 7", Error);
  CHECK_THROWS_AS((void)Json(HUGE_VAL).dump(), Error);
}

TEST_CASE("json: floats survive the text, through double, as in every other reader") {
  octavo::Rng rng(5);
  for (int round = 0; round < 20000; ++round) {
    const float value = std::ldexp(rng.uniform(0.5F, 1.0F), static_cast<int>(rng.below(200)) - 120);
    const double read = parse_json(Json(value).dump()).number();
    REQUIRE(static_cast<float>(read) == value);
  }
  CHECK(Json(0.1F).dump() == "0.1");
  CHECK(Json(3.0).dump() == "3.0");
  CHECK(Json(3).dump() == "3");
}

TEST_CASE("json: layout of the text") {
  Json value;
  value.set("a", 1).set("b", std::vector<int>{1, 2}).set("a", "new");
  CHECK(value.dump() == R"({"a": "new", "b": [1, 2]})");
  CHECK(value.dump(1) == "{\n \"a\": \"new\",\n \"b\": [1, 2]\n}");
  CHECK(Json(Json::Object()).dump(3) == "{}");
}
