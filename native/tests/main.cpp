#include <cstdio>

void test_link();
void test_metrics();

int main() {
  test_link();
  test_metrics();
  std::puts("native tests passed");
}
