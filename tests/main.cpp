// tests/main.cpp: doctest's implementation and main(), compiled once and linked into every test program. Exit code 77
// when each chosen case called skip(): ctest shows the test as skipped.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "skip.hpp"

namespace {

int cases = 0, skipped_cases = 0;
bool case_is_skipped = false;

// Sees each case begin and end.
struct Watcher : doctest::IReporter {
  explicit Watcher(const doctest::ContextOptions& /*options*/) {}
  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
  void test_case_start(const doctest::TestCaseData& /*data*/) override { ++cases, case_is_skipped = false; }
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {
    skipped_cases += case_is_skipped ? 1 : 0;
  }
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};

}  // namespace

DOCTEST_REGISTER_LISTENER("watcher", 1, Watcher);

void octavo_test::skip(const std::string& reason) {
  std::cout << "skipped: " << reason << '\n';
  case_is_skipped = true;
}

int main(int count, char** words) {
  doctest::Context context(count, words);
  const int result = context.run();
  constexpr int all_skipped = 77;
  return result == EXIT_SUCCESS && cases > 0 && cases == skipped_cases ? all_skipped : result;
}
