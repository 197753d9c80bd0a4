// What the convolutions with many channels share, for float and, where the processor multiplies pairs, for bfloat16.
#pragma once
#include <array>

#include "small_geometry.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define BFLOAT16_PAIRS 1
#else
#define BFLOAT16_PAIRS 0
#endif

using namespace small;

constexpr int64_t MOST_VECTORS = SUMS >= 24 ? 4 : 2;  // of sums for one broadcast word

// Widths of successive panels of at most MOST_VECTORS vectors, as even as possible.
inline std::vector<int64_t> split_vectors(int64_t vectors) {
    const int64_t parts = ceil_div(vectors, MOST_VECTORS);
    std::vector<int64_t> widths;
    for (int64_t part = 0; part < parts; ++part)
        widths.push_back((part + 1) * vectors / parts - part * vectors / parts);
    return widths;
}

// Words to be multiplied: of float the values themselves.
inline void pack_words(float* to, const float* from, [[maybe_unused]] const float* none, int64_t count) {
    std::memcpy(to, from, count * sizeof(float));
}

#if BFLOAT16_PAIRS
// Of bfloat16 pairs: a value of `first` and the one at the same place of `second`, which may be null: zeros.
inline void pack_words(float* to, const bfloat16* first, const bfloat16* second, int64_t count) {
    alignas(64) int16_t places[2][32];
    for (int half = 0; half < 2; ++half)
        for (int i = 0; i < 16; ++i)
            places[half][2 * i] = int16_t(16 * half + i), places[half][2 * i + 1] = int16_t(32 + 16 * half + i);
    const __m512i low = _mm512_load_si512(places[0]), high = _mm512_load_si512(places[1]);
    for (int64_t i = 0; i < count; i += 32) {
        const auto mask = static_cast<__mmask32>(count - i >= 32 ? ~0u : (1u << (count - i)) - 1u);
        const __m512i a = _mm512_maskz_loadu_epi16(mask, first + i);
        const __m512i b = second == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, second + i);
        _mm512_mask_storeu_epi32(to + i, static_cast<__mmask16>(mask), _mm512_permutex2var_epi16(a, low, b));
        if (count - i > 16)
            _mm512_mask_storeu_epi32(to + i + 16, static_cast<__mmask16>(mask >> 16),
                                     _mm512_permutex2var_epi16(a, high, b));
    }
}

#endif
