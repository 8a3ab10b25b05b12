// octavo/report/machine.hpp: on which machine, with which compiler and kernels, something was measured.
#ifndef OCTAVO_REPORT_MACHINE_HPP_
#define OCTAVO_REPORT_MACHINE_HPP_

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "../core/cpu.hpp"
#include "../core/parallel.hpp"
#include "../version.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// An empty string or 0: unknown.
struct Machine {
  std::string cpu;         // the processor's own name
  std::string isa;         // the level of kernels in use
  int processors = 0;      // that the system offers
  int threads = 0;         // "all threads" in the tables
  double memory_gb = 0.0;  // 10^9 bytes
  std::string system;      // "Debian GNU/Linux 12 (bookworm)"
  std::string compiler;    // "g++ 12.2.0"
  std::string threading;   // "std::thread"
  std::string version;     // of Octavo
};

namespace detail {

// What stands behind `key` and the separator in the first line that begins with `key`; empty when there is none.
inline std::string value_of_line(const std::string& file, std::string_view key, char separator) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t\"", at + 1);
    const std::size_t end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end + 1 - begin);
  }
  return "";
}

inline std::string compiler_name() {
#if defined(__clang__)
  return "clang++ " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "";
#endif
}

}  // namespace detail

// This machine. `threads` below 1: default_threads(). Names come from /proc and /etc/os-release where they exist.
inline Machine detect_machine(int threads = 0) {
  Machine machine;
  for (const char* key : {"model name", "Model", "Hardware"})
    if (machine.cpu.empty()) machine.cpu = detail::value_of_line("/proc/cpuinfo", key, ':');
  machine.isa = name_of(active_isa());
  machine.processors = static_cast<int>(std::thread::hardware_concurrency());
  machine.threads = threads < 1 ? default_threads() : threads;
  const std::string memory = detail::value_of_line("/proc/meminfo", "MemTotal", ':');
  if (!memory.empty()) machine.memory_gb = std::stod(memory) * 1024.0 / 1e9;
  machine.system = detail::value_of_line("/etc/os-release", "PRETTY_NAME", '=');
  machine.compiler = detail::compiler_name();
  machine.threading = "std::thread";
  machine.version = std::to_string(OCTAVO_VERSION_MAJOR) + "." + std::to_string(OCTAVO_VERSION_MINOR) + "." +
                    std::to_string(OCTAVO_VERSION_PATCH);
  return machine;
}

// "AMD EPYC, 2 processors, avx512vnni kernels".
inline std::string describe(const Machine& machine) {
  std::string text = machine.cpu.empty() ? "unknown CPU" : machine.cpu;
  text += ", " + std::to_string(machine.processors) + (machine.processors == 1 ? " processor" : " processors");
  return text + ", " + machine.isa + " kernels";
}

// Memory of this process that is resident: now, and the most there has been, in bytes. 0: unknown (no /proc).
struct ResidentMemory {
  std::int64_t now = 0, most = 0;
};
inline ResidentMemory resident_memory() {
  const auto bytes = [](const char* key) {
    const std::string kilobytes = detail::value_of_line("/proc/self/status", key, ':');
    return kilobytes.empty() ? std::int64_t{0} : std::int64_t{std::stoll(kilobytes)} * 1024;
  };
  return {bytes("VmRSS"), bytes("VmHWM")};
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_MACHINE_HPP_
