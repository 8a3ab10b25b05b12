// Folders of photos, CSV tables, DeepWeeds' layouts.
#include <octavo/data/deepweeds.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;
using octavo_test::plain;
using octavo_test::TemporaryFolder;

namespace {

const ImageOptions kSmall{.size = 4, .range = PixelRange::raw_0_255};

std::vector<float> loaded(const Dataset& dataset, std::int64_t i) {
  std::vector<float> out(static_cast<std::size_t>(dataset.image_shape().size()));
  dataset.load(i, out);
  return out;
}

// A picture whose every pixel has this value.
std::vector<std::uint8_t> gray_png(std::uint8_t value) { return encode_png(plain(6, 6, {value, value, value}).view()); }

}  // namespace

TEST_CASE("CSV: quotes, line ends, byte order mark, empty lines") {
  const TemporaryFolder folder;
  const CsvTable table = read_csv(folder.write("a.csv",
                                               "\xEF\xBB\xBF"
                                               "Name,Text\r\n"
                                               "one,\"a, \"\"b\"\"\r\nc\"\r\n"
                                               "\r\n"
                                               "two,\r\n"
                                               "\"\",last"));
  CHECK(table.header == std::vector<std::string>{"Name", "Text"});
  REQUIRE(table.rows.size() == 3);
  CHECK(table.rows[0].fields == std::vector<std::string>{"one", "a, \"b\"\r\nc"});
  CHECK(table.rows[1].fields == std::vector<std::string>{"two", ""});
  CHECK(table.rows[2].fields == std::vector<std::string>{"", "last"});
  CHECK(table.rows[0].line == 2);
  CHECK(table.rows[1].line == 5);
  CHECK(table.rows[2].line == 6);
  CHECK(table.column({"text"}) == 1);
  CHECK(table.column({"none", "name"}) == 0);
  CHECK(table.column({"none"}) == CsvTable::kMissing);
}

TEST_CASE("CSV: errors name file and line") {
  const TemporaryFolder folder;
  CHECK(contains(error_of([&] { (void)read_csv(folder.path() / "none.csv"); }), "none.csv: cannot be opened"));
  CHECK(contains(error_of([&] { (void)read_csv(folder.path()); }), "is a folder"));
  CHECK(contains(error_of([&] { (void)read_csv(folder.write("empty.csv", "\n\n")); }), "empty.csv: is empty"));
  CHECK(contains(error_of([&] { (void)read_csv(folder.write("short.csv", "a,b\n1,2\n3\n")); }),
                 "short.csv:3: expected 2 fields as in the header, found 1"));
  CHECK(contains(error_of([&] { (void)read_csv(folder.write("open.csv", "a,b\n1,\"2\n3,4\n")); }),
                 "open.csv:2: a quote is not closed"));
}

TEST_CASE("a folder per class") {
  const TemporaryFolder folder;
  folder.write("pets/dog/b.png", gray_png(20));
  folder.write("pets/dog/a.PNG", gray_png(10));
  folder.write("pets/cat/deep/z.jpg", encode_jpeg(plain(6, 6, {100, 100, 100}).view()));
  folder.write("pets/cat/notes.txt", "not a photo");
  folder.write("pets/.hidden/x.png", gray_png(1));
  folder.write("pets/readme.md", "hello");
  const Dataset data = image_folder(folder.path() / "pets", kSmall);
  REQUIRE(data.size() == 3);
  CHECK(data.class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(data.class_counts() == std::vector<std::int64_t>{1, 2});
  CHECK(data.label(0) == 0);
  CHECK(contains(data.name(1), "a.PNG"));
  CHECK(loaded(data, 1) == std::vector<float>(48, 10.0F));
  CHECK(loaded(data, 2) == std::vector<float>(48, 20.0F));
  CHECK(data.preview(1).height == 6);
  REQUIRE(data.preprocessing() != nullptr);
  CHECK(data.preprocessing()->height == 4);

  ImageOptions wide = kSmall;
  wide.width = 6;
  wide.channels = 1;
  wide.cache = true;
  const Dataset gray = image_folder(folder.path() / "pets", wide);
  CHECK(gray.image_shape() == Shape{4, 6, 1});
  CHECK(loaded(gray, 2) == std::vector<float>(24, 20.0F));
}

TEST_CASE("a folder per class: errors") {
  const TemporaryFolder folder;
  CHECK(contains(error_of([&] { (void)image_folder(folder.path() / "none"); }), "there is no folder"));
  CHECK(contains(error_of([&] { (void)image_folder(folder.path()); }), "a folder of photos for each class"));
  folder.write("a/x.png", gray_png(1));
  folder.write("b/x.txt", "no photo");
  CHECK(contains(error_of([&] { (void)image_folder(folder.path()); }), "no photo (.jpg, .png, .bmp) in"));
  folder.write("b/x.jpg", "no photo either");
  const Dataset data = image_folder(folder.path(), kSmall);
  CHECK(contains(error_of([&] { (void)loaded(data, 1); }), "x.jpg: no readable"));
  std::filesystem::remove(folder.path() / "a" / "x.png");
  CHECK(contains(error_of([&] { (void)loaded(data, 0); }), "x.png: cannot be opened"));
}

TEST_CASE("a table of files and labels") {
  const TemporaryFolder folder;
  for (int i = 0; i < 4; ++i)
    folder.write("images/" + std::to_string(i) + ".png", gray_png(static_cast<std::uint8_t>(40 + i)));
  const std::filesystem::path images = folder.path() / "images";

  const auto deep = folder.write("deep.csv", "Filename,Label,Species\n0.png,2,Thorn\n3.png,0,\"Grass, tall\"\n");
  const Dataset data = csv_dataset(deep, images, kSmall);
  CHECK(data.size() == 2);
  CHECK(data.class_names() == std::vector<std::string>{"Grass, tall", "class 1", "Thorn"});
  CHECK(data.label(0) == 2);
  CHECK(loaded(data, 1) == std::vector<float>(48, 43.0F));

  // Columns in another order and with other names; labels that are names.
  const Dataset named =
      csv_dataset(folder.write("named.csv", "class,note,FILE\nrose,x,1.png\nfern,,2.png\n"), images, kSmall);
  CHECK(named.class_names() == std::vector<std::string>{"fern", "rose"});
  CHECK(named.label(0) == 1);
  CHECK(loaded(named, 0) == std::vector<float>(48, 41.0F));
}

TEST_CASE("a table of files and labels: errors name file and line") {
  const TemporaryFolder folder;
  folder.write("a.png", gray_png(1));
  const auto error = [&](const char* text) {
    return error_of([&] { (void)csv_dataset(folder.write("t.csv", text), folder.path(), kSmall); });
  };
  CHECK(contains(error("File,Kind\na.png,1\n"), "t.csv:1: expected the columns Filename and Label"));
  CHECK(contains(error("File,Label\n"), "t.csv: has no rows"));
  CHECK(contains(error("File,Label\na.png,1\nb.png,1\n"), "t.csv:3: there is no file"));
  CHECK(contains(error("File,Label\na.png,-1\n"), "t.csv:2: label -1; expected 0"));
  CHECK(contains(error("File,Label\na.png,99999999\n"), "t.csv:2: label 99999999"));
  CHECK(contains(error("File,Label\na.png,1\na.png,weed\n"), "t.csv:3: label 'weed' is no number"));
  CHECK(contains(error("File,Label\na.png,fern\na.png,\n"), "t.csv:3: the label is empty"));
  CHECK(contains(error("File,Label,Species\na.png,1,A\na.png,1,B\n"), "t.csv:3: label 1 is 'B' here and 'A' above"));
}

TEST_CASE("a table with a column for the part") {
  const TemporaryFolder folder;
  for (int i = 0; i < 5; ++i)
    folder.write("images/" + std::to_string(i) + ".png", gray_png(static_cast<std::uint8_t>(40 + i)));
  folder.write("split.csv",
               "Split,Filename,Label,Species\ntest,4.png,1,B\ntrain,0.png,0,A\nval,2.png,1,B\ntrain,1.png,1,B\n"
               "validation,3.png,0,A\n");
  for (const bool cache : {false, true}) {
    ImageOptions options = kSmall;
    options.cache = cache;
    const Splits parts = deepweeds(folder.path(), options);
    CHECK(parts.train.size() == 2);
    CHECK(parts.validation.size() == 2);
    CHECK(parts.test.size() == 1);
    CHECK(parts.train.classes() == 2);
    CHECK(parts.test.label(0) == 1);
    CHECK(loaded(parts.train, 1) == std::vector<float>(48, 41.0F));
    CHECK(loaded(parts.test, 0) == std::vector<float>(48, 44.0F));
  }
  CHECK(contains(error_of([&] {
                   (void)csv_splits(folder.write("bad.csv", "Split,Filename,Label\ntrain,0.png,0\ntraining,1.png,0\n"),
                                    folder.path() / "images");
                 }),
                 "bad.csv:3: split 'training'"));
  CHECK(contains(error_of([&] {
                   (void)csv_splits(folder.write("none.csv", "Filename,Label\n0.png,0\n"), folder.path() / "images");
                 }),
                 "none.csv:1: expected a column Split"));
}

TEST_CASE("DeepWeeds' own labels.csv is cut 8:1:1, class by class, by the seed") {
  const TemporaryFolder folder;
  std::string table = "Filename,Label,Species\n";
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i) + ".png";
    folder.write("images/" + name, gray_png(static_cast<std::uint8_t>(i)));
    table += name + (i % 4 == 0 ? ",1,Negative\n" : ",0,Lantana\n");
  }
  folder.write("labels/labels.csv", table);
  const Splits parts = deepweeds(folder.path(), kSmall, 5);
  CHECK(parts.train.class_counts() == std::vector<std::int64_t>{24, 8});
  CHECK(parts.validation.class_counts() == std::vector<std::int64_t>{3, 1});
  CHECK(parts.test.class_counts() == std::vector<std::int64_t>{3, 1});
  CHECK(parts.train.class_names() == std::vector<std::string>{"Lantana", "Negative"});
  std::set<std::string> names;
  for (const Dataset& part : {parts.train, parts.validation, parts.test})
    for (std::int64_t i = 0; i < part.size(); ++i) names.insert(part.name(i));
  CHECK(names.size() == 40);
  ImageOptions options = kSmall;
  options.cache = true;
  const Splits again = deepweeds(folder.path(), options, 5);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(again.test.name(i) == parts.test.name(i));
  CHECK(loaded(again.test, 2) == loaded(parts.test, 2));
}

TEST_CASE("missing data: the message says what was looked for and how to get it") {
  const TemporaryFolder folder;
  const std::string none = error_of([&] { (void)deepweeds(folder.path() / "weeds"); });
  CHECK(contains(none, "there is no folder"));
  CHECK(contains(none, "weeds"));
  CHECK(contains(none, "https://github.com/AlexOlsen/DeepWeeds"));
  CHECK(contains(error_of([&] { (void)deepweeds(folder.path()); }), "images"));
  std::filesystem::create_directory(folder.path() / "images");
  CHECK(contains(error_of([&] { (void)deepweeds(folder.path()); }), "no split.csv, labels.csv"));
}
