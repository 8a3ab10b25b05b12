// examples/octavo.cpp: the command `octavo`: looks into models, quantizes, compares, runs and times them.
//
//   octavo quantize MODEL --calibration photos/ --out weeds/ --report weeds.html
//   octavo run weeds/ photo.jpg
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/compare.hpp"
#include "cli/quantize.hpp"

namespace {

template <class Kind>
void add(CLI::App& app, std::vector<std::pair<CLI::App*, std::unique_ptr<cli::Command>>>& commands) {
  auto command = std::make_unique<Kind>(app);
  CLI::App* const parser = app.get_subcommands([](CLI::App*) { return true; }).back();
  commands.emplace_back(parser, std::move(command));
}

}  // namespace

// Exit codes: 0, 1 when something failed, and CLI11's (above 100) for a command line that makes no sense.
int main(int count, char** words) {
  CLI::App app("Octavo: int8 models. MODEL is an Octavo model folder, or what another framework wrote.", "octavo");
  app.require_subcommand(1);
  app.set_version_flag("--version", cli::version());
  std::vector<std::pair<CLI::App*, std::unique_ptr<cli::Command>>> commands;
  add<cli::Info>(app, commands);
  add<cli::Import>(app, commands);
  add<cli::Quantize>(app, commands);
  add<cli::Compare>(app, commands);
  add<cli::Run>(app, commands);
  add<cli::Export>(app, commands);
  add<cli::Bench>(app, commands);
  if (count > 1 && words[1][0] != '-' &&
      app.get_subcommands([&](CLI::App* command) { return command->check_name(words[1]); }).empty()) {
    std::cerr << "octavo: there is no command '" << words[1] << "'; expected one of:";
    for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
      std::cerr << ' ' << command->get_name();
    std::cerr << '\n';
    return static_cast<int>(CLI::ExitCodes::ExtrasError);
  }
  CLI11_PARSE(app, count, words);
  try {
    for (auto& [parser, command] : commands)
      if (*parser) command->run();
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "octavo: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
