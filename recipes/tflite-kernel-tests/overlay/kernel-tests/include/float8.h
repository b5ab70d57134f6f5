// The types of ml_dtypes that tensorflow/tsl/platform/float8.h names and that nothing here uses.
#ifndef WHEEL_INCLUDE_FLOAT8_H_
#define WHEEL_INCLUDE_FLOAT8_H_

namespace ml_dtypes {
class float8_e4m3fn;
class float8_e4m3fnuz;
class float8_e4m3b11fnuz;
class float8_e5m2;
class float8_e5m2fnuz;
}  // namespace ml_dtypes

#endif  // WHEEL_INCLUDE_FLOAT8_H_
