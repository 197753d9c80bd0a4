// bfloat16 as the upper half of a float, rounded to nearest even; written so that compilers vectorize it.
#pragma once
#include <cstdint>
#include <cstring>

struct bfloat16 {
    uint16_t bits;
};

inline float to_float(float value) { return value; }

inline float to_float(bfloat16 value) {
    const uint32_t wide = static_cast<uint32_t>(value.bits) << 16;
    float result;
    std::memcpy(&result, &wide, sizeof result);
    return result;
}

template <typename T> inline T from_float(float value);

template <> inline float from_float<float>(float value) { return value; }

template <> inline bfloat16 from_float<bfloat16>(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    const uint32_t rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
    const uint32_t nan = (wide >> 16) | 0x40u;  // rounding could turn a NaN into infinity
    return {static_cast<uint16_t>((wide & 0x7fffffffu) > 0x7f800000u ? nan : rounded)};
}
