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

// The words that broadcasts read: `count` floats, or pairs of a bfloat16 with the one `distance` further on.
inline void pair_words(float* to, const float* from, int64_t, int64_t count) {
    std::memcpy(to, from, count * sizeof(float));
}

inline void pair_words(float* to, const bfloat16* from, int64_t distance, int64_t count) {
    const bfloat16* other = from + distance;
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t word = from[i].bits | static_cast<uint32_t>(other[i].bits) << 16;
        std::memcpy(to + i, &word, sizeof word);
    }
}

// Up to LANES sums into the output, rounded.
inline void store_lanes(float* to, const float* from, int64_t count) {
    if (count >= LANES) {
        store(to, load(from));
    } else {
        for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    }
}

inline void store_lanes(bfloat16* to, const float* from, int64_t count) {
#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    const __m256i rounded = (__m256i)_mm512_cvtneps_pbh((__m512)load(from));
    if (count >= LANES) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), rounded);
    } else {
        _mm256_mask_storeu_epi16(to, static_cast<__mmask16>((1u << count) - 1u), rounded);
    }
#else
    if (count >= LANES) {
        for (int i = 0; i < LANES; ++i) to[i] = from_float<bfloat16>(from[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) to[i] = from_float<bfloat16>(from[i]);
    }
#endif
}

// A value at a word of packed weights: depth_of<E> values of successive steps share a lane.
template <class E> inline void put_weight(float* words, int64_t word, int64_t part, float value) {
    reinterpret_cast<E*>(words)[word * depth_of<E> + part] = from_float<E>(value);
}

}  // namespace small
