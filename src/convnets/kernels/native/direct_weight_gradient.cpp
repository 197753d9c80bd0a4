// Weight gradients of convolutions with many channels, float or bfloat16 and channels-last.
//
// gw[o][tap][c] = Σ over images n and pixels p of gy[n][p][o] · x[n][stride · p + tap − padding][c]. The border of
// zeros is never multiplied. Of bfloat16 one instruction adds two products in a lane: of two images at the same pixel,
// so that one packing serves all taps and strides. "Sets" of images are one image of float, or two of bfloat16.
#include <memory>

#include "direct.h"

namespace {

// Bytes of packed pixels that are multiplied before the next: they stay in the cache, but the more sums are to be read
// and written for them, the more pay. Processors with narrow vectors mostly have half a megabyte of second-level cache.
int64_t block_bytes(int64_t sums) {
    if (SUMS < 24) return 1 << 18;
    return std::clamp<int64_t>(4 * sums * int64_t(sizeof(float)), 1 << 20, 2 << 20);
}

// sums[r][v] += Σ over pixels of gy[pixel][r] · x[pixel][v], r counts filters and v vectors of channels.
struct Job {
    const float *x, *gy;  // words: a value, or a pair
    int64_t sets, rows, columns;
    int64_t x_set, x_row, x_column, gy_set, gy_row, gy_column;  // words
    float* sums;
    int64_t sums_row;
};

template <class E, int R, int V> void accumulate(const Job& job) {
    vector sums[R][V];
    each<R>([&](auto r) ALWAYS_INLINE {
        each<V>([&](auto v) ALWAYS_INLINE { sums[r][v] = load(job.sums + r * job.sums_row + v * LANES); });
    });
    for (int64_t set = 0; set < job.sets; ++set)
        for (int64_t row = 0; row < job.rows; ++row) {
            const float* x = job.x + set * job.x_set + row * job.x_row;
            const float* gy = job.gy + set * job.gy_set + row * job.gy_row;
            for (int64_t column = 0; column < job.columns; ++column) {
                vector factors[V];
                each<V>([&](auto v) ALWAYS_INLINE { factors[v] = held(load(x + v * LANES)); });
                each<R>([&](auto r) ALWAYS_INLINE {
                    const char* word = reinterpret_cast<const char*>(gy + r);
                    each<V>([&](auto v) ALWAYS_INLINE {
                        sums[r][v] = multiply_add<E>(sums[r][v], factors[v], word);
                    });
                });
                x += job.x_column, gy += job.gy_column;
            }
        }
    each<R>([&](auto r) ALWAYS_INLINE {
        each<V>([&](auto v) ALWAYS_INLINE { store(job.sums + r * job.sums_row + v * LANES, sums[r][v]); });
    });
}

struct Tile {
    int64_t filters, vectors;
    void (*run)(const Job&);
};

template <class E, int V, int... R> void offer(std::vector<Tile>& tiles) {
    (tiles.push_back({R, V, accumulate<E, R, V>}), ...);
}

template <class E> std::vector<Tile> all_tiles() {
    std::vector<Tile> tiles;
    if constexpr (SUMS >= 24) {
        offer<E, 1, 8, 16, 24>(tiles), offer<E, 2, 4, 8, 12>(tiles);
        offer<E, 3, 4, 6, 8>(tiles), offer<E, 4, 4, 5, 6>(tiles);
    } else {
        offer<E, 1, 4, 6, 12>(tiles), offer<E, 2, 2, 4, 6>(tiles);  // each divides PANEL
    }
    return tiles;
}

constexpr int64_t MOST_FILTERS = 24, PANEL = 12;

// The tile of that many vectors that takes the fewest instructions for all filters.
template <class E> Tile choose_tile(int64_t filters, int64_t vectors) {
    static const std::vector<Tile> tiles = all_tiles<E>();
    const auto cost = [&](const Tile& tile) {
        return ceil_div(filters, tile.filters) * (2 * tile.filters * vectors + tile.filters + vectors);
    };
    const Tile* best = nullptr;
    for (const Tile& tile : tiles)
        if (tile.vectors == vectors && (best == nullptr || cost(tile) < cost(*best))) best = &tile;
    return *best;
}

// Pixels with `channels` values each, `pitch` words apart; the words between are zeros.
template <class E>
void pack_pixels(float* to, const E* first, const E* second, int64_t pixels, int64_t channels, int64_t pitch) {
    if (channels == pitch) return pack_words(to, first, second, pixels * channels);
    for (int64_t pixel = 0; pixel < pixels; ++pixel, first += channels, to += pitch) {
        pack_words(to, first, second, channels);
        std::memset(to + channels, 0, (pitch - channels) * sizeof(float));
        if (second != nullptr) second += channels;
    }
}

// `WIDTH` of the `channels` values of each pixel.
template <int64_t WIDTH> void pack_whole_panel(float* to, const float* from, int64_t pixels, int64_t channels) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel)
        std::memcpy(to + pixel * WIDTH, from + pixel * channels, WIDTH * sizeof(float));
}

// `count` of the `channels` values of each pixel as a panel of their own, `pitch` wide.
void pack_panel(float* to, const float* from, int64_t pixels, int64_t channels, int64_t count, int64_t pitch) {
    if (count == 2 * LANES && pitch == count) return pack_whole_panel<2 * LANES>(to, from, pixels, channels);
    if (count == PANEL && pitch == count) return pack_whole_panel<PANEL>(to, from, pixels, channels);
    for (int64_t pixel = 0; pixel < pixels; ++pixel, from += channels, to += pitch) {
        std::copy_n(from, count, to);
        std::fill(to + count, to + pitch, 0.0f);
    }
}

// The output pixels of an axis at which a tap meets the image: first ≤ p < last.
struct Valid {
    int64_t first, last;
    Valid(int64_t tap, int64_t padding, int64_t stride, int64_t size, int64_t from, int64_t to)
        : first(std::max(from, ceil_div(std::max<int64_t>(0, padding - tap), stride))),
          last(std::min(to, size + padding - tap <= 0 ? 0 : ceil_div(size + padding - tap, stride))) {}
};

// One thread's sums over some sets of images.
template <class E> class Sums {
    // What a tile reads lies together, in panels of channels and of filters; else pixel after pixel. With few registers
    // a tile reads only a part of a cache line of each pixel.
    static constexpr bool PANELS = depth_of<E> == 1 && SUMS < 24;

    const Geometry& g;
    const int64_t vectors, lanes, filters, taps, in_image, out_image, block, band, sets_at_once;
    const std::vector<Tile> tiles;  // of successive vectors
    const int64_t x_pixels, gy_pixels;
    Scratch<float> sums, bias, x_words, gy_words;

    static int64_t in_rows(const Geometry& g, int64_t band) {
        return std::min(g.height, (band - 1) * g.stride_height + g.kernel_height);
    }

public:
    explicit Sums(const Geometry& g, int64_t sets)
        : g(g), vectors(ceil_div(g.channels, LANES)), lanes(vectors * LANES), filters(round_up(g.filters, PANEL)),
          taps(g.kernel_height * g.kernel_width), in_image(g.height * g.width * g.channels),
          out_image(g.out_height * g.out_width * g.filters), block(block_bytes(g.filters * taps * lanes)),
          band(choose_band(g, block, lanes)), sets_at_once(choose_sets(g, block, lanes, band, sets)),
          tiles(choose_tiles(g, vectors)), x_pixels(sets_at_once * in_rows(g, band) * g.width),
          gy_pixels(sets_at_once * band * g.out_width), sums((g.filters + MOST_FILTERS) * taps * lanes),
          bias(g.filters + MOST_FILTERS), x_words(x_pixels * lanes), gy_words(gy_pixels * filters + MOST_FILTERS) {}

    static int64_t choose_band(const Geometry& g, int64_t block, int64_t lanes) {
        const int64_t row = 4 * (g.stride_height * g.width * lanes + g.out_width * g.filters);
        return std::clamp<int64_t>(block / row, 1, g.out_height);
    }

    static int64_t choose_sets(const Geometry& g, int64_t block, int64_t lanes, int64_t band, int64_t sets) {
        if (band < g.out_height) return 1;
        const int64_t image = 4 * (g.height * g.width * lanes + g.out_height * g.out_width * g.filters);
        return std::clamp<int64_t>(block / image, 1, std::max<int64_t>(1, sets));
    }

    static std::vector<Tile> choose_tiles(const Geometry& g, int64_t vectors) {
        std::vector<Tile> chosen;
        for (const int64_t width : split_vectors(vectors)) chosen.push_back(choose_tile<E>(g.filters, width));
        return chosen;
    }

    const float* of(int64_t filter) { return sums.get() + filter * taps * lanes; }
    float of_bias(int64_t filter) { return bias.get()[filter]; }

    void add(const E* x, const E* gy, int64_t first, int64_t last) {
        for (int64_t set = first; set < last; set += sets_at_once)
            for (int64_t row = 0; row < g.out_height; row += band)
                add_block(x, gy, set, std::min(last, set + sets_at_once), row, std::min(g.out_height, row + band));
    }

private:
    // Words from one pixel to the next where `width` lanes of x are read, and where those of `lane` on begin.
    int64_t x_pitch(int64_t width) const { return PANELS ? width : lanes; }
    int64_t x_first(int64_t lane) const { return PANELS ? lane * x_pixels : lane; }
    int64_t gy_pitch() const { return PANELS ? PANEL : g.filters; }
    int64_t gy_first(int64_t filter) const {
        return PANELS ? filter / PANEL * PANEL * gy_pixels + filter % PANEL : filter;
    }

    void add_block(const E* x, const E* gy, int64_t first, int64_t last, int64_t top, int64_t bottom) {
        const int64_t in_top = std::clamp<int64_t>(top * g.stride_height - g.pad_height, 0, g.height);
        const int64_t in_bottom = std::clamp<int64_t>(
            (bottom - 1) * g.stride_height - g.pad_height + g.kernel_height, in_top, g.height);
        const int64_t x_set = (in_bottom - in_top) * g.width, gy_set = (bottom - top) * g.out_width;
        for (int64_t set = first; set < last; ++set) {
            const int64_t image = depth_of<E> * set, at = set - first;
            const E* from_x = x + image * in_image + in_top * g.width * g.channels;
            const E* from_gy = gy + image * out_image + top * g.out_width * g.filters;
            pack(from_x, from_gy, depth_of<E> == 2 && image + 1 < g.images, at * x_set, at * gy_set, x_set, gy_set);
        }
        for (int64_t tap_row = 0; tap_row < g.kernel_height; ++tap_row)
            for (int64_t tap_column = 0; tap_column < g.kernel_width; ++tap_column) {
                const Valid down(tap_row, g.pad_height, g.stride_height, g.height, top, bottom);
                const Valid across(tap_column, g.pad_width, g.stride_width, g.width, 0, g.out_width);
                Job job{};
                job.sets = last - first, job.rows = down.last - down.first, job.columns = across.last - across.first;
                if (job.rows <= 0 || job.columns <= 0) continue;
                const int64_t in_row = down.first * g.stride_height + tap_row - g.pad_height - in_top;
                const int64_t in_column = across.first * g.stride_width + tap_column - g.pad_width;
                job.gy_column = gy_pitch(), job.gy_row = g.out_width * gy_pitch(), job.gy_set = gy_set * gy_pitch();
                job.sums_row = taps * lanes;
                add_tap(job, x_set, in_row * g.width + in_column, (down.first - top) * g.out_width + across.first,
                        sums.get() + (tap_row * g.kernel_width + tap_column) * lanes);
            }
    }

    // A set of images from the x_pixel-th and gy_pixel-th packed pixel on; its values for the bias.
    void pack(const E* x, const E* gy, bool paired, int64_t x_pixel, int64_t gy_pixel, int64_t x_set, int64_t gy_set) {
        if constexpr (PANELS) {
            int64_t lane = 0;
            for (const Tile& tile : tiles) {
                const int64_t width = tile.vectors * LANES, count = std::min(width, g.channels - lane);
                pack_panel(x_words.get() + x_first(lane) + x_pixel * width, x + lane, x_set, g.channels, count, width);
                lane += width;
            }
            for (int64_t filter = 0; filter < g.filters; filter += PANEL)
                pack_panel(gy_words.get() + gy_first(filter) + gy_pixel * PANEL, gy + filter, gy_set, g.filters,
                           std::min(PANEL, g.filters - filter), PANEL);
            for (int64_t pixel = 0; pixel < gy_set; ++pixel)
                for (int64_t filter = 0; filter < g.filters; ++filter)
                    bias.get()[filter] += gy[pixel * g.filters + filter];
        } else {
            pack_pixels<E>(x_words.get() + x_pixel * lanes, x, paired ? x + in_image : nullptr, x_set, g.channels,
                           lanes);
            float* to = gy_words.get() + gy_pixel * g.filters;
            pack_words(to, gy, paired ? gy + out_image : nullptr, gy_set * g.filters);
            add_to_bias(to, gy_set);
        }
    }

    void add_tap(Job job, int64_t x_set, int64_t x_pixel, int64_t gy_pixel, float* to) {
        int64_t lane = 0;
        for (const Tile& tile : tiles) {
            const int64_t pitch = x_pitch(tile.vectors * LANES);
            job.x = x_words.get() + x_first(lane) + x_pixel * pitch;
            job.x_column = g.stride_width * pitch, job.x_row = g.stride_height * g.width * pitch;
            job.x_set = x_set * pitch;
            for (int64_t filter = 0; filter < g.filters; filter += tile.filters) {
                job.gy = gy_words.get() + gy_first(filter) + gy_pixel * gy_pitch();
                job.sums = to + filter * job.sums_row + lane;
                tile.run(job);
            }
            lane += tile.vectors * LANES;
        }
    }

    void add_to_bias(const float* words, int64_t pixels) {
        static const bfloat16 one_pair[2] = {{0x3f80u}, {0x3f80u}};
        static const float one_float = 1.0f;
        const void* ones = depth_of<E> == 2 ? static_cast<const void*>(one_pair) : &one_float;
        const char* one = static_cast<const char*>(ones);
        for (int64_t filter = 0; filter < g.filters; filter += LANES) {
            vector a = load(bias.get() + filter), b{};
            int64_t pixel = 0;
            for (; pixel + 2 <= pixels; pixel += 2) {
                a = multiply_add<E>(a, load(words + pixel * g.filters + filter), one);
                b = multiply_add<E>(b, load(words + (pixel + 1) * g.filters + filter), one);
            }
            if (pixel < pixels) a = multiply_add<E>(a, load(words + pixel * g.filters + filter), one);
            store(bias.get() + filter, a + b);
        }
    }
};

template <class E> void weight_gradient(const Geometry& g, const E* x, const E* gy, float* gw, float* gb) {
    const int64_t sets = ceil_div(g.images, depth_of<E>), parts = std::min(g.threads, sets);
    std::vector<std::unique_ptr<Sums<E>>> of_parts(parts);
    const int64_t size = g.kernel_height * g.kernel_width * g.channels, lanes = round_up(g.channels, LANES);
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static, 1)
        for (int64_t part = 0; part < parts; ++part) {
            const int64_t first = part * sets / parts, last = (part + 1) * sets / parts;
            of_parts[part] = std::make_unique<Sums<E>>(g, last - first);
            of_parts[part]->add(x, gy, first, last);
        }
#pragma omp for schedule(static)
        for (int64_t filter = 0; filter < g.filters; ++filter) {
            float* to = gw + filter * size;
            gb[filter] = 0.0f;
            for (int64_t part = 0; part < parts; ++part) {
                const float* from = of_parts[part]->of(filter);
                for (int64_t tap = 0; tap < size / g.channels; ++tap)
                    for (int64_t c = 0; c < g.channels; ++c) {
                        float& sum = to[tap * g.channels + c];
                        sum = (part == 0 ? 0.0f : sum) + from[tap * lanes + c];
                    }
                gb[filter] += of_parts[part]->of_bias(filter);
            }
        }
    }
}

}  // namespace

extern "C" {

// Whether this processor has the instructions that the bfloat16 convolutions with many channels are made of.
int convnets_has_bfloat16_pairs() { return BFLOAT16_PAIRS; }

void convnets_direct_weight_gradient_f32(const Geometry* g, const float* x, const float* gy, float* gw, float* gb) {
    weight_gradient<float>(*g, x, gy, gw, gb);
}

#if BFLOAT16_PAIRS
void convnets_direct_weight_gradient_bf16(const Geometry* g, const bfloat16* x, const bfloat16* gy, float* gw,
                                          float* gb) {
    weight_gradient<bfloat16>(*g, x, gy, gw, gb);
}
#endif
}
