// Vectors of floats as wide as the processor's registers, in the compiler's own notation, which serves AVX2, SSE and
// NEON. For AVX-512 a few are intrinsics: g++ widens and clamps by four instructions and more where there is one.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "bfloat16.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define ALWAYS_INLINE_LAMBDA __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
#elif defined(__AVX__)
constexpr int64_t LANES = 8;
#else
constexpr int64_t LANES = 4;
#endif

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t octets __attribute__((vector_size(LANES)));

static ALWAYS_INLINE floats broadcast(float value) { return floats{} + value; }

// All bits set in the first `count` lanes.
static ALWAYS_INLINE integers first_lanes(int64_t count) {
    integers lane{};
    for (int32_t i = 0; i < LANES; ++i) lane[i] = i;
    return lane < static_cast<int32_t>(count);
}

template <class To, class From> static ALWAYS_INLINE To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "only the type changes");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// A NaN stays one in both.
static ALWAYS_INLINE floats at_least(floats x, float bound) {
#if defined(__AVX512F__)
    return same_bits<floats>(_mm512_max_ps(same_bits<__m512>(broadcast(bound)), same_bits<__m512>(x)));
#else
    return x < bound ? broadcast(bound) : x;
#endif
}

static ALWAYS_INLINE floats at_most(floats x, float bound) {
#if defined(__AVX512F__)
    return same_bits<floats>(_mm512_min_ps(same_bits<__m512>(broadcast(bound)), same_bits<__m512>(x)));
#else
    return x > bound ? broadcast(bound) : x;
#endif
}

static ALWAYS_INLINE words widened(halves value) {
#if defined(__AVX512F__)
    return same_bits<words>(_mm512_cvtepu16_epi32(same_bits<__m256i>(value)));
#else
    return __builtin_convertvector(value, words);
#endif
}

static ALWAYS_INLINE integers widened(octets value) {
#if defined(__AVX512F__)
    return same_bits<integers>(_mm512_cvtepu8_epi32(same_bits<__m128i>(value)));
#else
    return __builtin_convertvector(value, integers);
#endif
}

static ALWAYS_INLINE octets narrowed(integers value) {
#if defined(__AVX512F__)
    return same_bits<octets>(_mm512_cvtepi32_epi8(same_bits<__m512i>(value)));
#else
    return __builtin_convertvector(value, octets);
#endif
}

// `count` is LANES but at the end of a row: then the missing lanes are read as zeros and not written.

static ALWAYS_INLINE floats load(const float *from, int64_t count = LANES) {
    floats value{};
    std::memcpy(&value, from, (count == LANES ? LANES : count) * sizeof *from);
    return value;
}

static ALWAYS_INLINE floats load(const bfloat16 *from, int64_t count = LANES) {
    halves value{};
    std::memcpy(&value, from, (count == LANES ? LANES : count) * sizeof *from);
    return same_bits<floats>(widened(value) << 16);
}

static ALWAYS_INLINE integers load(const uint8_t *from) {
    octets value;
    std::memcpy(&value, from, sizeof value);
    return widened(value);
}

static ALWAYS_INLINE void store(float *to, floats value, int64_t count = LANES) {
    std::memcpy(to, &value, (count == LANES ? LANES : count) * sizeof *to);
}

static ALWAYS_INLINE void store(uint8_t *to, integers value) {
    const octets narrow = narrowed(value);
    std::memcpy(to, &narrow, sizeof narrow);
}

static ALWAYS_INLINE void store(bfloat16 *to, floats value, int64_t count = LANES) {
#if defined(__AVX512F__) && defined(__AVX512BF16__)
    const __m256bh narrow = _mm512_cvtneps_pbh(same_bits<__m512>(value));
#else
    const words wide = same_bits<words>(value);
    const words rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
    const words nan = (wide >> 16) | 0x40u;  // rounding could turn a NaN into infinity
    const words chosen = (wide & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
    const halves narrow = __builtin_convertvector(chosen, halves);
#endif
    std::memcpy(to, &narrow, (count == LANES ? LANES : count) * sizeof *to);
}
