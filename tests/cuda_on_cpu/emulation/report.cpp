#include "report.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "scheduler.h"

namespace cuda_on_cpu {

Options options;

namespace {

constexpr int kPrinted = 8;  // one mistake can be made a million times

std::mutex mutex;
int count = 0;
std::string text;

// NNCORE_CUDA_EMULATION_ORDER=reverse, ..._LATE_STREAMS=1, ...: the options from the environment.
struct FromEnvironment {
  FromEnvironment() {
    const auto value = [](const char* name) {
      const char* set = std::getenv((std::string("NNCORE_CUDA_EMULATION_") + name).c_str());
      return set != nullptr ? set : "";
    };
    const auto number = [&](const char* name, const char* option) {
      if (*value(name) != '\0') cuda_on_cpu_configure(option, std::strtoll(value(name), nullptr, 10));
    };
    if (std::strcmp(value("ORDER"), "reverse") == 0) options.order = Order::reverse;
    if (std::strcmp(value("ORDER"), "random") == 0) options.order = Order::random;
    number("SEED", "seed");
    number("LATE_COPIES", "late_copies");
    number("LATE_STREAMS", "late_streams");
    number("MEMORY", "memory");
    number("PROTECT", "protect");
  }
} from_environment;

}  // namespace

void report(const char* format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  const std::lock_guard lock(mutex);
  if (++count > kPrinted) return;
  char where[256] = "";
  if (const Thread* t = current_thread())
    std::snprintf(where, sizeof where, ", block (%u, %u, %u), thread %d", t->block->index.x, t->block->index.y,
                  t->block->index.z, t->number);
  char line[1024];
  std::snprintf(line, sizeof line, "kernel %s%s: %s\n", current_kernel(), where, message);
  std::fprintf(stderr, "cuda_on_cpu: %s", line);
  text += line;
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

int cuda_on_cpu_report_count() { return count; }

const char* cuda_on_cpu_report_text() { return text.c_str(); }

void cuda_on_cpu_clear_reports() {
  count = 0;
  text.clear();
}

int64_t cuda_on_cpu_configure(const char* option, int64_t value) {
  const auto exchange = [&](auto& setting) {
    const auto before = static_cast<int64_t>(setting);
    setting = static_cast<std::remove_reference_t<decltype(setting)>>(value);
    return before;
  };
  if (std::strcmp(option, "order") == 0) return exchange(options.order);
  if (std::strcmp(option, "seed") == 0) return exchange(options.seed);
  if (std::strcmp(option, "late_copies") == 0) return exchange(options.late_copies);
  if (std::strcmp(option, "late_streams") == 0) return exchange(options.late_streams);
  if (std::strcmp(option, "memory") == 0) return exchange(options.memory);
  if (std::strcmp(option, "protect") == 0) return exchange(options.protect);
  return -1;
}
