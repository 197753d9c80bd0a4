// The inner loops of small convolutions, one for each number of blocks and vectors kept in registers.
#include "small_product.h"

namespace small {

// Out is the type of the result; R rows of P / R blocks each are `source_group` apart.
template <class E, class Out, int P, int V, int R = 1> void product(const Product& job) {
    vector sum[P * V];
    each<P * V>([&](auto i) ALWAYS_INLINE { sum[i] = load(job.start + (i % V) * LANES); });
    const int64_t block = job.source_block, group = job.source_group, steps = job.steps;
    for (int64_t row = 0; row < job.rows; ++row) {
        const char* source = job.source + row * job.source_row;
        const float* weights = job.weights + row * job.weights_row;
        for (int64_t step = 0; step < steps; ++step) {
            vector factor[V];
            each<V>([&](auto v) ALWAYS_INLINE { factor[v] = held(load(weights + v * LANES)); });
            each<P * V>([&](auto i) ALWAYS_INLINE {
                constexpr int p = i / V, width = P / R;
                sum[i] = multiply_add<E>(sum[i], factor[i % V], source + p / width * group + p % width * block);
            });
            source += job.source_step;
            weights += job.weights_step;
        }
    }
    Out* out = static_cast<Out*>(job.out);
    const int64_t room = static_cast<const Out*>(job.end) - out, pitch = job.pitch;
    // where blocks follow one another in memory, what a block writes too much is written again by the next one
    const bool whole = job.lanes == V * LANES || job.lanes == pitch;
    if (whole && (P - 1) * pitch + V * LANES <= room) {
        each<P * V>([&](auto i) ALWAYS_INLINE { store_all(out + i / V * pitch + i % V * LANES, sum[i]); });
    } else {
        each<P * V>([&](auto i) ALWAYS_INLINE {
            const int64_t at = i / V * pitch, lane = i % V * LANES, count = std::min(job.lanes, room - at) - lane;
            if (count > 0) store_lanes(out + at + lane, sum[i], count);
        });
    }
}

// LEAST: so many sums, and the processor need not wait for one before it adds to it again.
template <class E, class Out, int P, int V> void offer(int64_t wanted, Kernel& best, int64_t& cost) {
    if constexpr (P * V <= SUMS) {
        const int64_t turns = (wanted + P - 1) / P;
        const int64_t this_cost = turns * std::max(P * V, LEAST) + turns;
        if (best.run == nullptr || this_cost < cost) {
            best = {product<E, Out, P, V>, P, V, 1};
            cost = this_cost;
        }
    }
}

template <class E, class Out, int V, int... P>
Kernel cheapest(int64_t wanted, std::integer_sequence<int, P...>) {
    Kernel best{nullptr, 0, 0, 1};
    int64_t cost = 0;
    (offer<E, Out, P + 2, V>(wanted, best, cost), ...);
    return best;
}

template <class E, class Out> Kernel choose_kernel(int64_t wanted, int64_t vectors) {
    constexpr auto two_to_fourteen = std::make_integer_sequence<int, 13>{};
    return vectors % 2 == 0 ? cheapest<E, Out, 2>(wanted, two_to_fourteen)
                            : cheapest<E, Out, 1>(wanted, two_to_fourteen);
}

template <class E> Kernel three_by_three(int64_t vectors) {
    if (vectors % 2 == 0 && 18 <= SUMS) return {product<E, float, 9, 2, 3>, 9, 2, 3};
    return {product<E, float, 9, 1, 3>, 9, 1, 3};
}

template Kernel choose_kernel<float, float>(int64_t, int64_t);
template Kernel three_by_three<float>(int64_t);
#if defined(__AVX512BF16__)
template Kernel choose_kernel<bfloat16, float>(int64_t, int64_t);
template Kernel choose_kernel<bfloat16, bfloat16>(int64_t, int64_t);
template Kernel three_by_three<bfloat16>(int64_t);
#else
template Kernel choose_kernel<float, bfloat16>(int64_t, int64_t);
#endif

}  // namespace small
