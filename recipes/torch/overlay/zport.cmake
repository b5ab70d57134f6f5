# What is built, and with which libraries. CMake reads it at the project's start
# (CMAKE_PROJECT_Torch_INCLUDE): setup.py hands on but a few options.

# Those that have another processor's or a device's code, and training on many machines.
foreach(part CUDA DISTRIBUTED FBGEMM ITT KINETO MAGMA MKLDNN NNPACK NUMA PYTORCH_QNNPACK ROCM
        XNNPACK XPU)
  set(USE_${part} OFF CACHE BOOL "")
endforeach()
# Code of another runtime's operators.
set(BUILD_EXECUTORCH OFF CACHE BOOL "")

foreach(library CPUINFO EIGEN_INSTALL FP16 PYBIND11 SLEEF)
  set(USE_SYSTEM_${library} ON CACHE BOOL "")
endforeach()
set(BLAS OpenBLAS CACHE STRING "")
# Fortran's functions give a complex number back as the machine's ABI says, which is not everywhere as
# PyTorch calls them: on amd64 torch.dot would be wrong. C's interface is the same on all.
set(BLAS_USE_CBLAS_DOT ON CACHE BOOL "")
# Upstream finds it out by running what it compiled.
set(GLIBCXX_USE_CXX11_ABI 1 CACHE STRING "")
# The build machine's, of the vendored protobuf's version.
set(CAFFE2_CUSTOM_PROTOC_EXECUTABLE /usr/bin/protoc CACHE FILEPATH "")
set(protobuf_BUILD_PROTOC_BINARIES OFF CACHE BOOL "")

# Code of FlatBuffers has to be made by the compiler of the version whose headers are there.
execute_process(
  COMMAND flatc --cpp --gen-mutable --scoped-enums mobile_bytecode.fbs
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/torch/csrc/jit/serialization
  COMMAND_ERROR_IS_FATAL ANY)

set(third_party ${PROJECT_SOURCE_DIR}/third_party)
# Debian keeps two libraries beside its patches. Of Kineto one header is always included; what is not
# taken is not to be named in the wheel's licences.
if(EXISTS ${third_party}/debian)
  file(COPY ${third_party}/debian/pocketfft/pocketfft_hdronly.h DESTINATION ${third_party}/pocketfft)
  file(COPY_FILE ${third_party}/debian/pocketfft/LICENSE.md ${third_party}/pocketfft/LICENSE.txt)
  set(kineto ${third_party}/kineto/libkineto/include)
  file(COPY ${third_party}/debian/kineto/libkineto/include/ActivityType.h DESTINATION ${kineto})
  file(COPY ${third_party}/debian/kineto/LICENSE DESTINATION ${third_party}/kineto)
  file(REMOVE_RECURSE ${third_party}/debian)
endif()
# Headers of distributed training; CMake wants the folders all the same.
file(MAKE_DIRECTORY ${third_party}/cpp-httplib ${third_party}/opentelemetry-cpp/api/include)
