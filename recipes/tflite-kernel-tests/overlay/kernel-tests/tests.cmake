# Upstream's tests of kernels and of what kernels are made of.
file(GLOB KERNEL_TESTS RELATIVE ${LITE}/kernels
  ${LITE}/kernels/*_test.cc ${LITE}/kernels/internal/*_test.cc)
list(TRANSFORM KERNEL_TESTS REPLACE "_test\\.cc$" "")
list(SORT KERNEL_TESTS)
# They ask for delegates to accelerators, and for XNNPACK, which are not built.
list(REMOVE_ITEM KERNEL_TESTS test_delegate_providers if while)
