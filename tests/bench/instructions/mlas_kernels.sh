#!/bin/sh
# mlas_kernels.sh SOURCE FOLDER: build MLAS alone from a patched source of ONNX Runtime 1.21 with the
# cross compiler, and the program that checks its kernels; then, with QEMU and without root:
#   MLAS_S390X_KERNELS=vector qemu-s390x-static FOLDER/mlas_kernels
#   MLAS_S390X_KERNELS=scalar qemu-s390x-static FOLDER/mlas_kernels
# The compiler is in the image localhost/zport/toolchain:s390x-... (buildah run --isolation chroot).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$1" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cp -r "$source/onnxruntime/core/mlas" "$folder/"
cd "$folder/mlas/lib"
# What MLAS has in place of ONNX Runtime's 16-bit type lacks three functions that it calls.
sed -i 's/^struct MLFloat16 {/&\
    MLFloat16 Negate() const { return *this; }\
    bool IsNegative() const { return false; }\
    static MLFloat16 FromBits(uint16_t) { return MLFloat16{}; }/' mlasi.h
common=$(sed -n '/^onnxruntime_add_static_library(onnxruntime_mlas$/,/^)/s/.*MLAS_SRC_DIR}\/\(.*\.cpp\)/\1/p' \
    "$source/cmake/onnxruntime_mlas.cmake")
for file in $common qgemm_kernel_z14.cpp scalar/*.cpp s390x/*.cpp; do
    machine=
    case $file in s390x/*) machine="-march=z14 -mzvector" ;; esac
    s390x-linux-gnu-g++ -std=c++17 -O3 -DNDEBUG -DBUILD_MLAS_NO_ONNXRUNTIME -include cstring \
        -I../inc -I. $machine -c "$file" -o "$folder/$(basename "$file" .cpp).o"
done
cd "$folder"
# Code for z14 that the linker could take for other machines' would be a weak symbol.
! s390x-linux-gnu-nm ./*Z14.o | grep ' [uVWw] ' | grep -v DW.ref.__gxx_personality_v0
s390x-linux-gnu-g++ -std=c++17 -O2 -static -Imlas/inc "$here/mlas_kernels.cpp" ./*.o -o mlas_kernels
