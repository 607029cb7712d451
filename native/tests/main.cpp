// usage: lockstep_tests [part]; all parts without it
#include <cstdio>
#include <cstring>

void test_link();
void test_metrics();
void test_softmax();
void test_kernels();
void test_engine();
void test_binning();
void test_predict();
void test_turns();

int main(int count, char** arguments) {
  struct Part {
    const char* name;
    void (*run)();
  };
  constexpr Part kParts[] = {{"link", test_link},       {"metrics", test_metrics}, {"softmax", test_softmax},
                             {"kernels", test_kernels}, {"binning", test_binning}, {"predict", test_predict},
                             {"turns", test_turns},     {"engine", test_engine}};
  bool found = false;
  for (const auto& [name, run] : kParts) {
    if (count > 1 && std::strcmp(arguments[1], name) != 0) continue;
    run();
    found = true;
  }
  std::puts(found ? "native tests passed" : "there is no such part");
  return found ? 0 : 2;
}
