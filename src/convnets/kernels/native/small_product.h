// A product of small blocks kept in registers: the inner loop of every small convolution.
//
// sum[p][v] += Σ over rows and steps of broadcast(source[row, p, step]) · weights[row, step, v], v counts vectors.
// A broadcast word is one float, or a pair of bfloat16 that meets the pairs in the weights (two products in one
// instruction, added in float32).
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bfloat16.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace small {

#if defined(__AVX512F__)
constexpr int LANES = 16, SUMS = 28;
#elif defined(__AVX__)
constexpr int LANES = 8, SUMS = 12;
#elif defined(__aarch64__)
constexpr int LANES = 4, SUMS = 24;
#else
constexpr int LANES = 4, SUMS = 12;
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

// Constant indices in every turn: the sums stay in registers whatever the compiler thinks of unrolling.
template <class Body, int... I>
inline ALWAYS_INLINE void each(const Body& body, std::integer_sequence<int, I...>) {
    (body(std::integral_constant<int, I>{}), ...);
}

template <int N, class Body> inline ALWAYS_INLINE void each(const Body& body) {
    each(body, std::make_integer_sequence<int, N>{});
}

struct Product {
    int64_t rows, steps;
    int64_t source_row, source_block, source_step;  // bytes
    int64_t weights_row, weights_step;              // floats
    const char* source;
    const float* weights;
    const float* start;  // [V · LANES], the sums before
    float* tile;         // [P][V · LANES], the sums after
};

template <class E, int P, int V> void product(const Product& job) {
    vector sum[P * V];
    each<P * V>([&](auto i) ALWAYS_INLINE { sum[i] = load(job.start + (i % V) * LANES); });
    const int64_t block = job.source_block, steps = job.steps;
    for (int64_t row = 0; row < job.rows; ++row) {
        const char* source = job.source + row * job.source_row;
        const float* weights = job.weights + row * job.weights_row;
        for (int64_t step = 0; step < steps; ++step) {
            vector factor[V];
            each<V>([&](auto v) ALWAYS_INLINE { factor[v] = load(weights + v * LANES); });
            each<P * V>([&](auto i) ALWAYS_INLINE {
                sum[i] = multiply_add<E>(sum[i], factor[i % V], source + (i / V) * block);
            });
            source += job.source_step;
            weights += job.weights_step;
        }
    }
    each<P * V>([&](auto i) ALWAYS_INLINE { store(job.tile + i * LANES, sum[i]); });
}

struct Kernel {
    void (*run)(const Product&);
    int64_t blocks, vectors;
};

template <class E, int P, int V> void offer(int64_t wanted, Kernel& best, int64_t& cost) {
    if constexpr (P * V <= SUMS) {
        const int64_t turns = (wanted + P - 1) / P;
        const int64_t this_cost = turns * (P * V < 4 ? 4 : P * V) + turns;
        if (best.run == nullptr || this_cost <= cost) {
            best = {product<E, P, V>, P, V};
            cost = this_cost;
        }
    }
}

// The kernel with the fewest wasted sums for `wanted` blocks (pixels, taps) of `vectors` vectors each.
template <class E> Kernel choose_kernel(int64_t wanted, int64_t vectors) {
    Kernel best{nullptr, 0, 0};
    int64_t cost = 0;
    if (vectors % 2 == 0) {
        offer<E, 2, 2>(wanted, best, cost);
        offer<E, 4, 2>(wanted, best, cost);
        offer<E, 6, 2>(wanted, best, cost);
        offer<E, 8, 2>(wanted, best, cost);
        offer<E, 10, 2>(wanted, best, cost);
        offer<E, 12, 2>(wanted, best, cost);
        offer<E, 14, 2>(wanted, best, cost);
    } else {
        offer<E, 2, 1>(wanted, best, cost);
        offer<E, 4, 1>(wanted, best, cost);
        offer<E, 6, 1>(wanted, best, cost);
        offer<E, 8, 1>(wanted, best, cost);
        offer<E, 10, 1>(wanted, best, cost);
        offer<E, 12, 1>(wanted, best, cost);
        offer<E, 14, 1>(wanted, best, cost);
    }
    return best;
}

}  // namespace small
