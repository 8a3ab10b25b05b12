// tests/unit/report_table_test.cpp: numbers as text, and tables.
#include <doctest/doctest.h>

#include <octavo/report/table.hpp>
#include <octavo/report/text.hpp>

namespace {

using namespace octavo::report;

TEST_CASE("numbers are written as people read them") {
  CHECK(fixed(3.14159, 2) == "3.14");
  CHECK(fixed(-0.001, 2) == "0.00");  // no negative zero
  CHECK(fixed(-0.01, 2) == "-0.01");
  CHECK(fixed(std::nan(""), 2) == kNothing);
  CHECK(percent(0.9132) == "91.32 %");

  CHECK(three_digits(0.0) == "0");
  CHECK(three_digits(0.01234) == "0.0123");
  CHECK(three_digits(1.204) == "1.20");
  CHECK(three_digits(12.34) == "12.3");
  CHECK(three_digits(9.996) == "10.0");
  CHECK(three_digits(99.96) == "100");
  CHECK(three_digits(1234.4) == "1234");
  CHECK(three_digits(-0.0456) == "-0.0456");

  CHECK(signed_fixed(0.5, 1) == "+0.5");
  CHECK(signed_fixed(-0.5, 1) == "−0.5");
  CHECK(signed_fixed(-0.01, 1) == "0.0");

  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(2439625) == "2,439,625");
  CHECK(grouped(-1000) == "-1,000");
  CHECK(grouped(-100) == "-100");
}

TEST_CASE("sizes and durations change their unit where the next one reads better") {
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1000) == "1.00 kB");
  CHECK(bytes_text(999499) == "999 kB");
  CHECK(bytes_text(999500) == "1.00 MB");
  CHECK(bytes_text(9758500) == "9.76 MB");
  CHECK(bytes_text(12'300'000'000) == "12.3 GB");

  CHECK(duration_text(0.42) == "0.420 s");
  CHECK(duration_text(9.96) == "10 s");
  CHECK(duration_text(59.4) == "59 s");
  CHECK(duration_text(59.6) == "1 min 0 s");
  CHECK(duration_text(372) == "6 min 12 s");
  CHECK(duration_text(5040) == "1 h 24 min");
  CHECK(duration_text(-1.0) == kNothing);
}

TEST_CASE("escaping leaves nothing that HTML would read as markup") {
  CHECK(escape("a<b> & \"c\" 'd'") == "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  CHECK(escape(std::string("a\x01") + "b") == "a b");
  CHECK(escape("± 1") == "± 1");
  CHECK(columns("± 1 –") == 5);
}

TEST_CASE("base64 of RFC 4648's test vectors") {
  const auto encoded = [](std::string_view text) {
    return base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  CHECK(encoded("").empty());
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(encoded("\xFF\xFE\xFD") == "//79");
}

Table example() {
  Table table({{"model", Align::left, true}, {"size", Align::right}, {"note", Align::left}});
  table.add({{"float", false}, {"9.76 MB", false}, {"a|b", false}});
  table.add({{"int8", false}, {"2 MB", true}, {"± 1", false}});
  return table;
}

TEST_CASE("a table as Markdown") {
  CHECK(example().markdown() ==
        "| model   |     size | note |\n"
        "| ------- | -------: | ---- |\n"
        "| `float` |  9.76 MB | a\\|b |\n"
        "| `int8`  | **2 MB** | ± 1  |\n");
}

TEST_CASE("a table for a terminal: aligned whether bold or not") {
  CHECK(example().text() ==
        "model     size  note\n"
        "─────  ───────  ────\n"
        "float  9.76 MB  a|b\n"
        "int8      2 MB  ± 1\n");
  CHECK(example().text(true).find("\x1B[1m   2 MB\x1B[0m") != std::string::npos);
}

TEST_CASE("a table as HTML") {
  const std::string html = example().html();
  CHECK(html.find("<th scope=\"row\"><code>float</code></th>") != std::string::npos);
  CHECK(html.find("<td class=\"num best\">2 MB</td>") != std::string::npos);
}

TEST_CASE("a row of another length is refused") {
  Table table({{"a"}, {"b"}});
  CHECK_THROWS_WITH(table.add_text({"only one"}), "table: expected a row of 2 cells, found 1");
  CHECK(table.empty());
  CHECK_THROWS_AS(Table({}), octavo::Error);
}

}  // namespace
