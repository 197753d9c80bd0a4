// Rows of channels-last images in a thread's own memory: with zeros around them, converted, or as pairs.
#pragma once
#include <algorithm>
#include <vector>

#include "small_product.h"

namespace small {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

struct alignas(64) Line {
    float lanes[16];
};

// Zeroed memory at a cache line's start.
template <class E> class Scratch {
public:
    explicit Scratch(int64_t elements) : lines_(ceil_div(elements * int64_t(sizeof(E)), sizeof(Line)) + 1) {}
    E* get() { return reinterpret_cast<E*>(lines_.data()); }

private:
    std::vector<Line> lines_;
};

template <class T, class E> inline void convert(E* to, const T* from, int64_t count) {
    if constexpr (std::is_same_v<T, E>) {
        std::memcpy(to, from, count * sizeof(E));
    } else {
        for (int64_t i = 0; i < count; ++i) to[i] = from_float<E>(to_float(from[i]));
    }
}

// One row of `pitch` elements: zeros, at `left` the `count` elements of `from` (as many as fit), zeros.
template <class T, class E> void copy_row(E* to, int64_t pitch, const T* from, int64_t left, int64_t count) {
    left = std::min(left, pitch);
    count = from == nullptr ? 0 : std::min(count, pitch - left);
    std::memset(static_cast<void*>(to), 0, left * sizeof(E));
    if (count > 0) convert(to + left, from, count);
    std::memset(static_cast<void*>(to + left + count), 0, (pitch - left - count) * sizeof(E));
}

#if defined(__AVX512BF16__)
// Values i to i + 15 of the `count` of `from`, one in a lane's lower half; zeros outside.
inline ALWAYS_INLINE __m512i load_part(const bfloat16* from, int64_t i, int64_t count) {
    if (i >= 0 && i + 16 <= count) return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(from + i)));
    const int64_t first = std::clamp<int64_t>(-i, 0, 16), last = std::clamp<int64_t>(count - i, 0, 16);
    const auto mask = static_cast<__mmask16>(((1u << last) - 1u) & ~((1u << first) - 1u));
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + i));
}

// Values i to i + 15, each with the one `distance` further on in the upper half.
inline ALWAYS_INLINE vector load_pairs(const bfloat16* from, int64_t i, int64_t distance, int64_t count) {
    const __m512i upper = _mm512_slli_epi32(load_part(from, i + distance, count), 16);
    return (vector)_mm512_or_si512(load_part(from, i, count), upper);
}

inline void pair_row(float* to, int64_t pitch, const bfloat16* from, int64_t left, int64_t count, int64_t distance) {
    if (from == nullptr) {
        std::memset(to, 0, pitch * sizeof(float));
        return;
    }
    int64_t i = 0;
    for (; i + 16 <= pitch; i += 16) store(to + i, load_pairs(from, i - left, distance, count));
    if (i < pitch) store_lanes(to + i, load_pairs(from, i - left, distance, count), pitch - i);
}
#endif

// A value at a word of packed weights: depth_of<E> values of successive steps share a lane.
template <class E> inline void put_weight(float* words, int64_t word, int64_t part, float value) {
    reinterpret_cast<E*>(words)[word * depth_of<E> + part] = from_float<E>(value);
}

}  // namespace small
