#include <cstdio>

void test_link();
void test_metrics();
void test_softmax();
void test_engine();
void test_binning();

int main() {
  test_link();
  test_metrics();
  test_softmax();
  test_binning();
  test_engine();
  std::puts("native tests passed");
}
