// Checks MLAS's kernels for s390x against float64 and exact integers: products of every small shape
// and remainder, transposed and packed, convolutions, element-wise functions. It is built by
// mlas_kernels.sh from a patched source of ONNX Runtime, MLAS alone, and run with the kernels for
// z14 and with the scalar ones.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "mlas.h"

static uint32_t seed = 1;
static uint32_t rnd() { seed = seed * 1664525u + 1013904223u; return seed >> 8; }
static float frnd() { return (float)rnd() / (1 << 23) - 1.0f; }
static long fails = 0, runs = 0;
static void check(bool ok, const char* what, size_t a, size_t b, size_t c, double err) {
  runs++;
  if (!ok && fails++ < 20) printf("FAIL %s %zu %zu %zu err %g\n", what, a, b, c, err);
}
static void gemm_case(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, float beta, size_t extra, bool packed) {
  size_t lda = (ta ? M : K) + extra, ldb = (tb ? K : N) + extra, ldc = N + extra;
  std::vector<float> A((ta ? K : M) * lda + 1), B((tb ? N : K) * ldb + 1), C(M * ldc + 1), D;
  for (auto& x : A) x = frnd();
  for (auto& x : B) x = frnd();
  for (auto& x : C) x = beta == 0 ? NAN : frnd();
  D = C;
  if (packed) {
    std::vector<char> P(MlasGemmPackBSize(N, K) + 64, 0);
    void* p = (void*)(((uintptr_t)P.data() + 63) & ~(uintptr_t)63);
    if (!N || !K) return;
    MlasGemmPackB(tb ? CblasTrans : CblasNoTrans, N, K, B.data(), ldb, p);
    MlasGemm(ta ? CblasTrans : CblasNoTrans, M, N, K, alpha, A.data(), lda, p, beta, C.data(), ldc, nullptr);
  } else
    MlasGemm(ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, M, N, K, alpha, A.data(), lda, B.data(), ldb, beta, C.data(), ldc, nullptr);
  double worst = 0;
  bool ok = true;
  for (size_t m = 0; m < M; m++)
    for (size_t n = 0; n < N; n++) {
      double s = 0, mag = 0;
      for (size_t k = 0; k < K; k++) {
        double t = (double)(ta ? A[k * lda + m] : A[m * lda + k]) * (tb ? B[n * ldb + k] : B[k * ldb + n]);
        s += t; mag += std::fabs(t);
      }
      s *= alpha; mag *= std::fabs(alpha);
      if (beta != 0) { s += (double)beta * D[m * ldc + n]; mag += std::fabs(beta * D[m * ldc + n]); }
      double e = std::fabs(s - C[m * ldc + n]);
      if (!(e <= 1.2e-7 * (mag * (4 + K / 8.0)) + 1e-7)) ok = false;
      if (!(e <= worst)) worst = e;
    }
  for (size_t m = 0; m < M; m++)
    for (size_t n = N; n < ldc; n++)
      if (std::memcmp(&C[m * ldc + n], &D[m * ldc + n], 4)) ok = false;
  if (std::memcmp(&C[M * ldc], &D[M * ldc], 4)) ok = false;
  check(ok, packed ? "packed" : (ta ? (tb ? "gemm TT" : "gemm TN") : (tb ? "gemm NT" : "gemm NN")), M, N, K, worst);
}
static void test_gemm() {
  const float ab[][2] = {{1, 0}, {1, 1}, {0.5f, 0}, {-1.5f, 0.25f}};
  for (size_t M = 1; M <= 33; M += M < 9 ? 1 : 5)
    for (size_t N = 1; N <= 33; N += 1)
      for (size_t K = 1; K <= 33; K += K < 9 ? 1 : 4)
        for (int t = 0; t < 4; t++) {
          auto& p = ab[(M + N + K + t) % 4];
          gemm_case(t & 1, t & 2, M, N, K, p[0], p[1], (M + N) % 3, (K + t) % 3 == 0);
        }
  for (size_t z = 0; z < 8; z++) gemm_case(z & 1, 0, z & 1 ? 0 : 5, z & 2 ? 0 : 7, z & 4 ? 0 : 6, 1, z & 1 ? 1 : 0.5f, 0, false);
  for (int t = 0; t < 4; t++) {
    gemm_case(t & 1, t & 2, 70, 140, 300, 1, 0, 3, false);
    gemm_case(t & 1, t & 2, 13, 300, 520, 1, 1, 0, true);
    gemm_case(t & 1, t & 2, 1, 300, 520, 1, t & 1, 0, false);
    gemm_case(t & 1, t & 2, 300, 1, 520, 1, t & 1, 0, false);
    gemm_case(t & 1, t & 2, 1, 47, 1030, 1, 1, 5, false);
  }
}
static void conv_case(size_t G, size_t IC, size_t OC, size_t H, size_t W, size_t KH, size_t KW, size_t S, size_t P, size_t D) {
  int64_t is[2] = {(int64_t)H, (int64_t)W}, ks[2] = {(int64_t)KH, (int64_t)KW}, ds[2] = {(int64_t)D, (int64_t)D},
          pd[4] = {(int64_t)P, (int64_t)P, (int64_t)P, (int64_t)P}, st[2] = {(int64_t)S, (int64_t)S}, os[2];
  for (int i = 0; i < 2; i++) os[i] = (is[i] + 2 * (int64_t)P - (int64_t)D * (ks[i] - 1) - 1) / (int64_t)S + 1;
  if (os[0] < 1 || os[1] < 1) return;
  std::vector<float> X(G * IC * H * W), F(G * OC * IC * KH * KW), Bi(G * OC), Y(G * OC * os[0] * os[1]);
  for (auto& x : X) x = frnd();
  for (auto& x : F) x = frnd();
  for (auto& x : Bi) x = frnd();
  MLAS_CONV_PARAMETERS cp{};
  MLAS_ACTIVATION act; act.ActivationKind = MlasReluActivation;
  size_t ws = 0;
  float beta = (H + W + KH) % 3 == 0 ? 0.5f : 0.0f;
  std::vector<float> Y0(Y.size());
  for (size_t i = 0; i < Y.size(); i++) Y[i] = Y0[i] = beta ? frnd() : NAN;
  MlasConvPrepare(&cp, 2, 1, G, IC, is, ks, ds, pd, st, os, OC, &act, &ws, beta, nullptr);
  std::vector<float> w(ws + 1);
  w[ws] = 42.0f;
  MlasConv(&cp, X.data(), F.data(), Bi.data(), w.data(), Y.data(), nullptr);
  double worst = 0; bool ok = true;
  for (size_t o = 0; o < G * OC; o++)
    for (int64_t y = 0; y < os[0]; y++)
      for (int64_t x = 0; x < os[1]; x++) {
        double s = Bi[o], mag = std::fabs(s);
        for (size_t i = 0; i < IC; i++)
          for (size_t a = 0; a < KH; a++)
            for (size_t b = 0; b < KW; b++) {
              int64_t yy = y * S - P + a * D, xx = x * S - P + b * D;
              if (yy < 0 || xx < 0 || yy >= is[0] || xx >= is[1]) continue;
              double t = (double)X[((o / OC * IC + i) * H + yy) * W + xx] * F[((o * IC + i) * KH + a) * KW + b];
              s += t; mag += std::fabs(t);
            }
        if (beta) s += beta * Y0[(o * os[0] + y) * os[1] + x];
        if (s < 0) s = 0;
        double e = std::fabs(s - Y[(o * os[0] + y) * os[1] + x]);
        if (!(e <= 1.2e-7 * (4 + IC * KH * KW / 8.0) * mag + 1e-7)) ok = false;
        if (!(e <= worst)) worst = e;
      }
  check(ok && w[ws] == 42.0f, "conv", OC, H, W, worst);
}
static void test_conv() {
  for (size_t IC : {1, 3, 8}) for (size_t OC : {1, 4, 17}) for (size_t H : {5, 12, 19}) for (size_t W : {7, 16, 21})
    for (size_t K : {1, 3, 5}) for (size_t S : {1, 2}) for (size_t P : {0, 1}) for (size_t D : {1, 2})
      conv_case(1 + (IC + OC + W) % 3, IC, OC, H, W, K, K, S, P, D);
  for (size_t H = 1; H < 8; H++) for (size_t W = 1; W < 42; W++) for (size_t KH = 1; KH <= 5; KH += 2) for (size_t KW = 1; KW <= 5; KW++)
    for (size_t S = 1; S <= 3; S++) conv_case(3, 1, 1, H, W, KH, KW, S, (H + W) % 3, 1 + W % 2);
}
static void qgemm_case(bool as, bool bs, size_t M, size_t N, size_t K, int percol, bool packed, bool acc) {
  size_t lda = K + M % 3, ldb = N + K % 2, ldc = N + N % 2;
  std::vector<uint8_t> A(M * lda + 1), B(K * ldb + 1), Z(N + 1);
  bool extreme = (M + N + K) % 5 == 0;
  for (auto& x : A) x = extreme ? (as ? 0x80 : 0xff) : rnd();
  for (auto& x : B) x = extreme ? (bs ? 0x80 : 0xff) : rnd();
  for (auto& x : Z) x = rnd();
  std::vector<int32_t> C(M * ldc + 1), D;
  for (auto& x : C) x = (int32_t)rnd();
  D = C;
  MLAS_GEMM_QUANT_SHAPE_PARAMS s; s.M = M; s.N = N; s.K = K; s.AIsSigned = as; s.BIsSigned = bs; s.IsAccumulateMode = acc;
  MLAS_GEMM_QUANT_DATA_PARAMS d; d.A = A.data(); d.lda = lda; d.ZeroPointA = rnd(); d.B = B.data(); d.ldb = ldb;
  d.ZeroPointB = Z.data(); d.PerColumnZeroPoints = percol; d.C = C.data(); d.ldc = ldc;
  std::vector<char> P;
  if (packed) {
    size_t n = MlasGemmPackBSize(N, K, as, bs);
    if (!n) return;
    P.resize(n + 64);
    void* p = (void*)(((uintptr_t)P.data() + 63) & ~(uintptr_t)63);
    MlasGemmPackB(N, K, B.data(), ldb, as, bs, p);
    d.B = p; d.BIsPacked = true; d.ldb = 0;
  }
  MlasGemmBatch(s, &d, 1, nullptr);
  auto v = [](uint8_t x, bool sg) { return sg ? (int)(int8_t)x : (int)x; };
  bool ok = true;
  for (size_t m = 0; m < M; m++) for (size_t n = 0; n < ldc; n++) {
    uint32_t t = 0;
    if (n < N) {
      for (size_t k = 0; k < K; k++) t += (uint32_t)((v(A[m * lda + k], as) - v(d.ZeroPointA, as)) * (v(B[k * ldb + n], bs) - v(Z[percol ? n : 0], bs)));
      if (acc) t += D[m * ldc + n];
    } else t = D[m * ldc + n];
    if ((int32_t)t != C[m * ldc + n]) ok = false;
  }
  if (C[M * ldc] != D[M * ldc]) ok = false;
  check(ok, packed ? "qgemm packed" : "qgemm", M, N, K, as * 10 + bs);
}
static void test_qgemm() {
  for (size_t M = 1; M <= 33; M += M < 9 ? 1 : 6) for (size_t N = 1; N <= 33; N++) for (size_t K = 1; K <= 33; K += K < 5 ? 1 : 3)
    for (int t = 0; t < 4; t++) qgemm_case(t & 1, t & 2, M, N, K, (M + N) & 1, (N + K + t) & 1, (M + K) % 3 == 0);
  for (int t = 0; t < 16; t++) {
    qgemm_case(t & 1, t & 2, 30, 150, 300, t & 4, t & 8, t & 1);
    qgemm_case(t & 1, t & 2, 5, 259, 515, t & 4, t & 8, t & 2);
    qgemm_case(t & 1, t & 2, 25, 16, 256, t & 4, t & 8, t & 2);
    for (int i = 0; i < 5; i++) qgemm_case(t & 1, t & 2, 1 + i, 16 + i, 512 + i, t & 4, t & 8, t & 2);
  }
}
static void unary(const char* what, void (*fn)(const float*, float*, size_t), double (*ref)(double), double tol) {
  for (size_t N = 0; N <= 70; N++) {
    std::vector<float> X(N + 1), Y(N + 1, 42.0f);
    for (auto& x : X) x = frnd() * ((rnd() & 1) ? 4 : 95);
    if (N > 9) { X[1] = 0; X[2] = -0.0f; X[3] = INFINITY; X[4] = -INFINITY; X[5] = NAN; X[6] = 88.7f; X[7] = -103.5f; X[8] = 1e-30f; }
    fn(X.data(), Y.data(), N);
    bool ok = Y[N] == 42.0f; double worst = 0;
    for (size_t i = 0; i < N; i++) {
      double r = ref(X[i]);
      if (std::isnan(r)) { ok = ok && std::isnan(Y[i]); continue; }
      if (std::isinf(r) || r > 3.402e38) { ok = ok && Y[i] > 3e38; continue; }
      double e = std::fabs(r - Y[i]) / std::max(std::fabs(r), 1e-3);
      worst = std::max(worst, e);
      if (!(e <= tol)) ok = false;
    }
    check(ok, what, N, 0, 0, worst);
  }
}
static void test_compute() {
  unary("exp", [](const float* x, float* y, size_t n) { MlasComputeExp(x, y, n); }, [](double v) { return std::exp(v); }, 3e-7);
  unary("erf", [](const float* x, float* y, size_t n) { MlasComputeErf(x, y, n); }, [](double v) { return std::erf(v); }, 3e-7);
  unary("logistic", [](const float* x, float* y, size_t n) { MlasComputeLogistic(x, y, n); }, [](double v) { return 1 / (1 + std::exp(-v)); }, 1e-4);
  unary("tanh", [](const float* x, float* y, size_t n) { MlasComputeTanh(x, y, n); }, [](double v) { return std::tanh(v); }, 1e-6);
  for (size_t D = 1; D <= 70; D++) for (int t = 0; t < 4; t++) {
    std::vector<float> X(3 * D), Y(3 * D + 1, 42.0f);
    for (auto& x : X) x = frnd() * 10;
    MlasComputeSoftmax<float>(X.data(), Y.data(), 3, D, t & 1, t & 2, nullptr);
    bool ok = Y[3 * D] == 42.0f; double worst = 0;
    for (int r = 0; r < 3; r++) {
      double m = -1e9, s = 0;
      for (size_t i = 0; i < D; i++) m = std::max(m, (double)X[r * D + i]);
      if (t & 2) m = std::max(m, 0.0);
      for (size_t i = 0; i < D; i++) s += std::exp(X[r * D + i] - m);
      if (t & 2) s += std::exp(-m);
      for (size_t i = 0; i < D; i++) {
        double v = (t & 1) ? X[r * D + i] - m - std::log(s) : std::exp(X[r * D + i] - m) / s;
        double e = std::fabs(v - Y[r * D + i]) / std::max(std::fabs(v), (t & 1) ? 1.0 : 1e-3);
        worst = std::max(worst, e);
        if (!(e <= 2e-6)) ok = false;
      }
    }
    check(ok, "softmax", D, t, 0, worst);
    float lo = 1, hi = -1; MlasFindMinMaxElement(X.data(), &lo, &hi, D);
    check(lo == *std::min_element(X.begin(), X.begin() + D) && hi == *std::max_element(X.begin(), X.begin() + D), "minmax", D, 0, 0, 0);
  }
  for (int kind = 0; kind < MlasActivationKindCount; kind++) for (size_t N = 1; N < 23; N++) for (int b = 0; b < 2; b++) {
    size_t M = 3, ldc = N + N % 2;
    std::vector<float> X(M * ldc), Y, Bi{0.5f, -0.25f, 0.0f};
    for (auto& x : X) x = frnd() * 5;
    Y = X;
    MLAS_ACTIVATION a; a.ActivationKind = (MLAS_ACTIVATION_KIND)kind; a.Parameters.Values[0] = 0.25f; a.Parameters.Values[1] = 0.5f;
    MlasActivation(&a, Y.data(), b ? Bi.data() : nullptr, M, N, ldc);
    bool ok = true; double worst = 0;
    for (size_t m = 0; m < M; m++) for (size_t n = 0; n < ldc; n++) {
      double v = X[m * ldc + n];
      if (n < N) {
        if (b) v += Bi[m];
        switch (kind) {
          case MlasReluActivation: v = std::max(v, 0.0); break;
          case MlasLeakyReluActivation: v = v >= 0 ? v : v * 0.25; break;
          case MlasTanhActivation: v = std::tanh(v); break;
          case MlasLogisticActivation: v = 1 / (1 + std::exp(-v)); break;
          case MlasClipActivation: v = std::min(std::max(v, 0.25), 0.5); break;
          case MlasHardSigmoidActivation: v = std::max(0.0, std::min(1.0, 0.25 * v + 0.5)); break;
        }
      }
      double e = std::fabs(v - Y[m * ldc + n]); worst = std::max(worst, e); if (!(e <= 2e-6)) ok = false;
    }
    check(ok, "activation", kind, N, b, worst);
  }
}
int main() {
  test_gemm();
  test_conv();
  test_qgemm();
  test_compute();
  std::printf("%ld cases, %ld failed\n", runs, fails);
  return fails != 0;
}
