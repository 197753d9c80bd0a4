// A product of small blocks kept in registers: the inner loop of every small convolution.
//
// sum[p][v] += Σ over rows and steps of broadcast(source[row, p, step]) · weights[row, step, v], v counts vectors.
// A broadcast word is one float, or a pair of bfloat16 that meets the pairs in the weights (two products in one
// instruction, added in float32).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bfloat16.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace small {

#if defined(__AVX512F__)
constexpr int LANES = 16, SUMS = 28, LEAST = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, SUMS = 12, LEAST = 8;  // of sixteen registers: two for factors, one for a broadcast
#elif defined(__aarch64__)
constexpr int LANES = 4, SUMS = 24, LEAST = 12;
#else
constexpr int LANES = 4, SUMS = 12, LEAST = 8;
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));

#if defined(__AVX512BF16__)
using half_element = bfloat16;  // what bfloat16 inputs are multiplied as
#else
using half_element = float;
#endif

template <class T> using element_of = std::conditional_t<std::is_same_v<T, float>, float, half_element>;
template <class E> constexpr int depth_of = 4 / sizeof(E);  // products in a lane of one instruction

#define ALWAYS_INLINE __attribute__((always_inline))

inline ALWAYS_INLINE vector load(const float* from) {
    vector result;
    std::memcpy(&result, from, sizeof result);
    return result;
}

inline ALWAYS_INLINE void store(float* to, vector value) { std::memcpy(to, &value, sizeof value); }

template <class E> inline ALWAYS_INLINE vector multiply_add(vector sum, vector factor, const char* word) {
#if defined(__AVX512BF16__)
    if constexpr (std::is_same_v<E, bfloat16>) {
        int pair;
        std::memcpy(&pair, word, sizeof pair);
        return (vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)factor, (__m512bh)_mm512_set1_epi32(pair));
    }
#endif
    float value;
    std::memcpy(&value, word, sizeof value);
    sum += factor * value;
    return sum;
}

// Keeps a value that is used several times in a register; the compiler may prefer to load it each time.
inline ALWAYS_INLINE vector held(vector value) {
#if defined(__AVX__) && !defined(__AVX512F__)
    asm("" : "+x"(value));
#endif
    return value;
}

// Constant indices in every turn: the sums stay in registers whatever the compiler thinks of unrolling.
template <class Body, int... I>
inline ALWAYS_INLINE void each(const Body& body, std::integer_sequence<int, I...>) {
    (body(std::integral_constant<int, I>{}), ...);
}

template <int N, class Body> inline ALWAYS_INLINE void each(const Body& body) {
    each(body, std::make_integer_sequence<int, N>{});
}

// The first `count` lanes, one by one. Never inlined: a sum that is read in parts would live in memory all along.
template <class Out> __attribute__((noinline)) void store_first(Out* to, vector value, int64_t count) {
    float lanes[LANES];
    store(lanes, value);
    for (int64_t i = 0; i < std::min<int64_t>(count, LANES); ++i) to[i] = from_float<Out>(lanes[i]);
}

#if defined(__AVX__) && !defined(__AVX512F__)
inline ALWAYS_INLINE void store_masked(float* to, vector value, int64_t count) {
    typedef int32_t integers __attribute__((vector_size(32)));
    const integers lane = {0, 1, 2, 3, 4, 5, 6, 7}, mask = lane < static_cast<int32_t>(std::min<int64_t>(count, LANES));
    _mm256_maskstore_ps(to, (__m256i)mask, (__m256)value);
}
#endif

// Up to LANES sums into the output, rounded.
template <class Out> inline ALWAYS_INLINE void store_lanes(Out* to, vector value, int64_t count) {
#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    const auto mask = static_cast<__mmask16>(count >= LANES ? 0xffffu : (1u << count) - 1u);
    if constexpr (std::is_same_v<Out, float>) {
        _mm512_mask_storeu_ps(to, mask, (__m512)value);
    } else {
        _mm256_mask_storeu_epi16(to, mask, (__m256i)_mm512_cvtneps_pbh((__m512)value));
    }
#elif defined(__AVX__) && !defined(__AVX512F__)
    if constexpr (std::is_same_v<Out, float>) {
        store_masked(to, value, count);
    } else {
        store_first(to, value, count);
    }
#else
    store_first(to, value, count);
#endif
}

template <class Out> inline ALWAYS_INLINE void store_all(Out* to, vector value) {
    if constexpr (std::is_same_v<Out, float>) {
        store(to, value);
    } else {
#if defined(__AVX512BF16__)
        const auto rounded = _mm512_cvtneps_pbh((__m512)value);
        std::memcpy(to, &rounded, sizeof rounded);
#else
        store_first(to, value, LANES);
#endif
    }
}

struct Product {
    int64_t rows, steps;
    int64_t source_row, source_block, source_step, source_group;  // bytes
    int64_t weights_row, weights_step;                            // floats
    const char* source;
    const float* weights;
    const float* start;  // [V · LANES], the sums before
    void* out;           // the sums after: `lanes` of each block, `pitch` elements apart, nothing from `end` on
    const void* end;
    int64_t pitch, lanes;
};

struct Kernel {
    void (*run)(const Product&);
    int64_t blocks, vectors, groups;
};

// The kernel with the fewest wasted sums for `wanted` blocks (pixels, taps) of `vectors` vectors each. Out is the
// type of the result.
template <class E, class Out> Kernel choose_kernel(int64_t wanted, int64_t vectors);

// The kernel for three groups of three blocks each.
template <class E> Kernel three_by_three(int64_t vectors);

}  // namespace small
