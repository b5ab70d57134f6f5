// What the tests use of RE2. Debian's is built with another abseil than the one that is built here.
#ifndef WHEEL_RE2_RE2_H_
#define WHEEL_RE2_RE2_H_

#include <regex>
#include <string>

struct RE2 {
  static bool FullMatch(const std::string& text, const std::string& pattern) {
    return std::regex_match(text, std::regex(pattern));
  }
};

#endif  // WHEEL_RE2_RE2_H_
