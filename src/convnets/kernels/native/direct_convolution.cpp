// Convolutions with many channels and their input gradients, float or bfloat16 and channels-last.
//
// out[n][p][l] = Σ over the taps that meet the image at p, and over k, of in[n][source of p and tap][k] · w[tap][k][l].
// A block of sums holds one pixel of several images, for which the same taps are valid: the border of zeros is never
// multiplied. Of bfloat16, neighboring k are the pairs that one instruction multiplies, as they lie in memory.
#include "direct.h"

namespace {

struct Reach {
    int64_t tap, source;
};

// For each position of an axis of the output, the taps that meet the input there.
using Reaches = std::vector<std::vector<Reach>>;

Reaches forward_reaches(int64_t size, int64_t in_size, int64_t taps, int64_t stride, int64_t padding) {
    Reaches all(size);
    for (int64_t position = 0; position < size; ++position)
        for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t source = position * stride + tap - padding;
            if (source >= 0 && source < in_size) all[position].push_back({tap, source});
        }
    return all;
}

// The same for the input's gradient: the output pixels that a pixel of the input took part in.
Reaches backward_reaches(int64_t size, int64_t out_size, int64_t taps, int64_t stride, int64_t padding) {
    Reaches all(size);
    for (int64_t position = 0; position < size; ++position)
        for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t from = position + padding - tap;
            if (from >= 0 && from % stride == 0 && from / stride < out_size)
                all[position].push_back({tap, from / stride});
        }
    return all;
}

template <class E> struct Job {
    const E* in;
    int64_t in_image, in_row, in_pixel;  // values
    const float* weights;                // words [tap][step over k][vectors · LANES]
    int64_t taps_across, steps;
    const std::vector<Reach>*down, *across;
    const float* start;  // [vectors · LANES]: the bias
    E* out;
    int64_t out_image, lanes;  // `lanes` of the vectors are written
    bool relu;
};

template <class E, int R, int V> void convolve(const Job<E>& job) {
    vector sums[R][V];
    each<R>([&](auto r) ALWAYS_INLINE {
        each<V>([&](auto v) ALWAYS_INLINE { sums[r][v] = load(job.start + v * LANES); });
    });
    for (const Reach& row : *job.down)
        for (const Reach& column : *job.across) {
            const E* in = job.in + row.source * job.in_row + column.source * job.in_pixel;
            const float* weights = job.weights + (row.tap * job.taps_across + column.tap) * job.steps * V * LANES;
            for (int64_t step = 0; step < job.steps; ++step) {
                vector factors[V];
                each<V>([&](auto v) ALWAYS_INLINE { factors[v] = held(load(weights + v * LANES)); });
                each<R>([&](auto r) ALWAYS_INLINE {
                    const char* word = reinterpret_cast<const char*>(in + r * job.in_image);
                    each<V>([&](auto v) ALWAYS_INLINE {
                        sums[r][v] = multiply_add<E>(sums[r][v], factors[v], word);
                    });
                });
                in += depth_of<E>, weights += V * LANES;
            }
        }
    each<R>([&](auto r) ALWAYS_INLINE {
        each<V>([&](auto v) ALWAYS_INLINE {
            vector sum = sums[r][v];
            if (job.relu) sum = sum <= 0.0f ? vector{} : sum;  // a NaN stays
            const int64_t count = job.lanes - v * LANES;
            E* to = job.out + r * job.out_image + v * LANES;
            if (count >= LANES) {
                store_all(to, sum);
            } else if (count > 0) {
                store_lanes(to, sum, count);
            }
        });
    });
}

template <class E> struct Block {
    int64_t images;
    void (*run)(const Job<E>&);
};

template <class E, int V, int... R> constexpr std::array<Block<E>, 4> blocks_of() {
    return {{{R, convolve<E, R, V>}...}};
}

// By the number of vectors: blocks of images, the largest first, the last for what is left.
template <class E> constexpr auto all_blocks() {
    if constexpr (SUMS >= 24) {
        return std::array{blocks_of<E, 1, 24, 12, 4, 1>(), blocks_of<E, 2, 12, 6, 3, 1>(),
                          blocks_of<E, 3, 8, 4, 2, 1>(), blocks_of<E, 4, 6, 4, 2, 1>()};
    } else {
        return std::array{blocks_of<E, 1, 12, 6, 3, 1>(), blocks_of<E, 2, 6, 4, 2, 1>()};
    }
}

template <class E> struct Group {
    int64_t first;
    Block<E> block;
};

template <class E> std::vector<Group<E>> groups_of(int64_t images, int64_t vectors) {
    static constexpr auto blocks = all_blocks<E>();
    std::vector<Group<E>> groups;
    for (int64_t image = 0; image < images;)
        for (const Block<E>& block : blocks[vectors - 1])
            if (block.images <= images - image) {
                groups.push_back({image, block});
                image += block.images;
                break;
            }
    return groups;
}

// What both directions share: `in` and `out` are rows of channels; `lanes` are the channels of `out`.
struct Direction {
    int64_t images, in_height, in_width, inner, out_height, out_width, lanes, taps_down, taps_across, threads;
    Reaches down, across;
};

// Words of the weights of one tap: LANES of `lane` on, values or pairs of k.
template <class E>
using PackTap = void (*)(const Geometry& g, const E* w, int64_t tap, int64_t lane, int64_t vectors, float* to);

template <class E>
void run(const Geometry& g, const Direction& d, const E* in, const E* w, PackTap<E> pack_tap, const float* bias,
         bool relu, E* out) {
    const int64_t taps = d.taps_down * d.taps_across, steps = d.inner / depth_of<E>;
    const std::vector<int64_t> panels = split_vectors(ceil_div(d.lanes, LANES));
    std::vector<int64_t> first{0};
    for (const int64_t vectors : panels) first.push_back(first.back() + vectors);
    Scratch<float> weights(first.back() * LANES * taps * steps), start(first.back() * LANES);
    if (bias != nullptr) std::copy_n(bias, d.lanes, start.get());
    const int64_t all_panels = static_cast<int64_t>(panels.size());
#pragma omp parallel num_threads(d.threads)
    {
#pragma omp for schedule(static)
        for (int64_t unit = 0; unit < all_panels * taps; ++unit) {
            const int64_t panel = unit / taps, tap = unit % taps, vectors = panels[panel];
            float* to = weights.get() + (first[panel] * taps + tap * vectors) * steps * LANES;
            pack_tap(g, w, tap, first[panel] * LANES, vectors, to);
        }
        for (int64_t panel = 0; panel < all_panels; ++panel) {
            const int64_t lane = first[panel] * LANES;
            const std::vector<Group<E>> groups = groups_of<E>(d.images, panels[panel]);
            Job<E> job{};
            job.in_pixel = d.inner, job.in_row = d.in_width * d.inner, job.in_image = d.in_height * job.in_row;
            job.weights = weights.get() + first[panel] * taps * steps * LANES;
            job.taps_across = d.taps_across, job.steps = steps;
            job.start = start.get() + lane, job.lanes = d.lanes - lane, job.relu = relu;
            job.out_image = d.out_height * d.out_width * d.lanes;
            const int64_t units = static_cast<int64_t>(groups.size()) * d.out_height;
#pragma omp for schedule(static) nowait
            for (int64_t unit = 0; unit < units; ++unit) {
                const Group<E>& group = groups[unit / d.out_height];
                const int64_t row = unit % d.out_height;
                job.in = in + group.first * job.in_image;
                job.down = &d.down[row];
                for (int64_t column = 0; column < d.out_width; ++column) {
                    job.across = &d.across[column];
                    job.out = out + group.first * job.out_image + (row * d.out_width + column) * d.lanes + lane;
                    group.block.run(job);
                }
            }
        }
    }
}

// Channels of `vectors` · LANES filters: to[channel][filter]. Filters beyond the last are zeros.
void pack_filters(const Geometry& g, const float* w, int64_t tap, int64_t lane, int64_t vectors, float* to) {
    const int64_t row = g.kernel_height * g.kernel_width * g.channels, wide = vectors * LANES;
    const int64_t count = std::min(g.filters - lane, wide);
    for (int64_t i = 0; i < count; ++i) {
        const float* from = w + (lane + i) * row + tap * g.channels;
        for (int64_t c = 0; c < g.channels; ++c) to[c * wide + i] = from[c];
    }
    for (int64_t c = 0; c < g.channels; ++c) std::fill(to + c * wide + count, to + (c + 1) * wide, 0.0f);
}

// Filters at `vectors` · LANES channels: to[filter][channel].
void pack_channels(const Geometry& g, const float* w, int64_t tap, int64_t lane, int64_t vectors, float* to) {
    const int64_t row = g.kernel_height * g.kernel_width * g.channels;
    const int64_t count = std::min(g.channels - lane, vectors * LANES);
    for (int64_t filter = 0; filter < g.filters; ++filter, to += vectors * LANES) {
        std::copy_n(w + filter * row + tap * g.channels + lane, count, to);
        std::fill(to + count, to + vectors * LANES, 0.0f);
    }
}

#if BFLOAT16_PAIRS
// Pairs of neighboring channels of `vectors` · LANES filters: to[c / 2][filter]. Filters beyond the last are zeros.
void pack_filters(const Geometry& g, const bfloat16* w, int64_t tap, int64_t lane, int64_t vectors, float* to) {
    const int64_t row = g.kernel_height * g.kernel_width * g.channels / 2;  // words of a filter
    const int* words = reinterpret_cast<const int*>(w + tap * g.channels);
    const __m512i places = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(int(row)));
    for (int64_t v = 0; v < vectors; ++v) {
        const int64_t filter = lane + v * LANES, count = std::clamp<int64_t>(g.filters - filter, 0, LANES);
        const auto mask = static_cast<__mmask16>((1u << count) - 1u);
        for (int64_t step = 0; step < g.channels / 2; ++step) {
            const __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, places,
                                                              words + filter * row + step, 4);
            _mm512_storeu_si512(to + (step * vectors + v) * LANES, found);
        }
    }
}

// Pairs of neighboring filters at `vectors` · LANES channels: to[filter / 2][channel].
void pack_channels(const Geometry& g, const bfloat16* w, int64_t tap, int64_t lane, int64_t vectors, float* to) {
    const int64_t row = g.kernel_height * g.kernel_width * g.channels;
    const int64_t count = std::min(g.channels - lane, vectors * LANES);
    for (int64_t filter = 0; filter < g.filters; filter += 2, to += vectors * LANES) {
        const bfloat16* from = w + filter * row + tap * g.channels + lane;
        pack_words(to, from, from + row, count);
        std::fill(to + count, to + vectors * LANES, 0.0f);
    }
}

#endif

Direction forward_direction(const Geometry& g) {
    return {g.images, g.height, g.width, g.channels, g.out_height, g.out_width, g.filters,
            g.kernel_height, g.kernel_width, g.threads,
            forward_reaches(g.out_height, g.height, g.kernel_height, g.stride_height, g.pad_height),
            forward_reaches(g.out_width, g.width, g.kernel_width, g.stride_width, g.pad_width)};
}

Direction backward_direction(const Geometry& g) {
    return {g.images, g.out_height, g.out_width, g.filters, g.height, g.width, g.channels,
            g.kernel_height, g.kernel_width, g.threads,
            backward_reaches(g.height, g.out_height, g.kernel_height, g.stride_height, g.pad_height),
            backward_reaches(g.width, g.out_width, g.kernel_width, g.stride_width, g.pad_width)};
}

}  // namespace

extern "C" {

// x, w, y: images × height × width × channels, filters × kernel × channels. A null bias: none.
void convnets_direct_forward_f32(const Geometry* g, const float* x, const float* w, const float* bias, int64_t relu,
                                 float* y) {
    run<float>(*g, forward_direction(*g), x, w, pack_filters, bias, relu != 0, y);
}

void convnets_direct_input_gradient_f32(const Geometry* g, const float* gy, const float* w, float* gx) {
    run<float>(*g, backward_direction(*g), gy, w, pack_channels, nullptr, false, gx);
}

#if BFLOAT16_PAIRS
// The channels are even.
void convnets_direct_forward_bf16(const Geometry* g, const bfloat16* x, const bfloat16* w, const float* bias,
                                  int64_t relu, bfloat16* y) {
    run<bfloat16>(*g, forward_direction(*g), x, w, pack_filters, bias, relu != 0, y);
}

// The filters are even.
void convnets_direct_input_gradient_bf16(const Geometry* g, const bfloat16* gy, const bfloat16* w, bfloat16* gx) {
    run<bfloat16>(*g, backward_direction(*g), gy, w, pack_channels, nullptr, false, gx);
}
#endif
}
