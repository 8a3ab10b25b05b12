// examples/cli/compare.hpp: octavo compare: where two models of one network part, tensor by tensor.
#ifndef OCTAVO_EXAMPLES_CLI_COMPARE_HPP_
#define OCTAVO_EXAMPLES_CLI_COMPARE_HPP_

#include <cmath>
#include <string>
#include <vector>

#include "commands.hpp"

namespace cli {

// Both models run on the same photos; activations of the same name and shape are compared as real numbers.
class Compare : public Command {
 public:
  explicit Compare(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("compare", "two models on the same photos, tensor by tensor");
    add_model(command, reference_)->description("the reference");
    command.add_option("OTHER", other_, "the model that is compared with it")->required();
    command.add_option("--photos", photos_, "a photo, or a folder of photos")->required();
    command.add_option("--images", images_, "photos at most")->capture_default_str()->check(at_least_one());
    pixels_.add_to(command);
  }

  void run() override {
    const oc::runtime::ModelOptions keep = {.keep_intermediates = true};
    const oc::runtime::Model reference(open_model(reference_).as_program(), keep);
    const oc::runtime::Model other(open_model(other_).as_program(), keep);
    const oc::Shape& out = reference.output().shape;
    oc::require(reference.input().shape == other.input().shape && out == other.output().shape, "'", reference_,
                "' maps ", reference.input().shape.to_string(), " to ", out.to_string(), ", but '", other_, "' ",
                other.input().shape.to_string(), " to ", other.output().shape.to_string());
    const bool other_knows = !oc::io::fields_of(other.program(), "preprocessing").empty();
    const oc::Preprocessing to = preprocessing_for(other_knows ? other.program() : reference.program(), pixels_);
    const oc::Dataset photos = unlabelled(photo_files(photos_), images_, to);
    const oc::Tensor batch = batch_of(photos);
    oc::runtime::Session sessions[] = {reference.session(), other.session()};
    std::vector<float> scores[2];
    for (std::size_t i = 0; i < 2; ++i) {
      scores[i].resize(static_cast<std::size_t>(out.size() * photos.size()));
      sessions[i].run({oc::runtime::ConstBuffer(oc::values(batch))},
                      {oc::runtime::Buffer(std::span<float>(scores[i]))});
    }
    std::cout << tensors(reference, other, sessions).text() << '\n';
    summary(scores, photos.size());
  }

 private:
  static report::Table tensors(const oc::runtime::Model& reference, const oc::runtime::Model& other,
                               const oc::runtime::Session (&sessions)[2]) {
    report::Table table({{"tensor", report::Align::left, true},
                         {"shape"},
                         {"types"},
                         {"SQNR, dB", report::Align::right},
                         {"largest difference", report::Align::right}});
    for (const oc::runtime::TensorInfo& tensor : reference.program().tensors) {
      const int id = oc::runtime::find_tensor(other.program(), tensor.name);
      if (tensor.constant() || id < 0) continue;
      const oc::runtime::TensorInfo& same = oc::runtime::tensor_at(other.program(), id);
      if (same.constant() || same.shape != tensor.shape) continue;
      const std::vector<float> a = sessions[0].tensor_values(tensor.name), b = sessions[1].tensor_values(id);
      table.add_text(
          {tensor.name, tensor.shape.to_string(),
           std::string(oc::runtime::name_of(tensor.dtype)) + ", " + std::string(oc::runtime::name_of(same.dtype)),
           sqnr_text(a, b), report::three_digits(largest_difference(a, b))});
    }
    return table;
  }

  static std::string sqnr_text(const std::vector<float>& a, const std::vector<float>& b) {
    const double sqnr = oc::compress::sqnr_db(a, b);
    return std::isinf(sqnr) ? "equal" : report::fixed(sqnr, 1);
  }
  static double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i)
      largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return largest;
  }

  static void summary(const std::vector<float> (&scores)[2], std::int64_t photos) {
    const std::size_t classes = scores[0].size() / static_cast<std::size_t>(photos);
    std::int64_t same = 0;
    for (std::size_t i = 0; i < scores[0].size(); i += classes)
      same +=
          oc::runtime::argmax({scores[0].data() + i, classes}) == oc::runtime::argmax({scores[1].data() + i, classes})
              ? 1
              : 0;
    std::cout << "output: " << sqnr_text(scores[0], scores[1]) << " dB, largest difference "
              << report::three_digits(largest_difference(scores[0], scores[1])) << ", same top class on " << same
              << " of " << photos << " photos\n";
  }

  std::string reference_, other_, photos_;
  std::int64_t images_ = 32;
  PixelOptions pixels_;
};

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_COMPARE_HPP_
