// Pooling of one row, forward and backward. Pixels follow each other in ascending order and each is read and written
// in whole vectors: what lies past its last channel is overwritten by the next pixel, or is past the end of the row.
#include "pooling.h"

#include <limits>

namespace {

// K: height and width of the windows where the compiler knows them, else 0. Windows at an edge take K = 0.

template <int K>
ALWAYS_INLINE void max_of_window(const float *const *rows, int64_t height, int64_t width, int64_t first_place,
                                 int64_t kernel, int64_t channels, float *to, uint8_t *winner) {
    for (int64_t c = 0; c < channels; c += LANES) {
        floats best = broadcast(-std::numeric_limits<float>::infinity());
        integers where = integers{} + static_cast<int32_t>(first_place);
        for (int64_t k = 0; k < (K ? K : height); ++k) {
            for (int64_t i = 0; i < (K ? K : width); ++i) {
                const floats value = load(rows[k] + i * channels + c);
                const integers place = integers{} + static_cast<int32_t>(first_place + k * kernel + i);
                const integers better = (value > best) | (value != value);  // a NaN wins, as in PyTorch
                best = better ? value : best;
                where = better ? place : where;
            }
        }
        store(to + c, best);
        store(winner + c, where);
    }
}

template <int K>
ALWAYS_INLINE void average_of_window(const float *const *rows, int64_t height, int64_t width, float share,
                                     int64_t channels, float *to) {
    for (int64_t c = 0; c < channels; c += LANES) {
        floats sum{};
        for (int64_t k = 0; k < (K ? K : height); ++k)
            for (int64_t i = 0; i < (K ? K : width); ++i) sum += load(rows[k] + i * channels + c);
        store(to + c, sum * share);
    }
}

// Calls window(p, inside) for each window of the row; `inside`: no part of it is padding.
template <class Window> ALWAYS_INLINE void over_windows(const Axis &across, Window window) {
    for (int64_t p = 0; p < across.pooled; ++p) {
        const int64_t start = p * across.stride - across.padding;
        window(p, start >= 0 && start + across.kernel <= across.size);
    }
}

template <int K>
void max_of_rows(const WindowRows &rows, const Axis &across, int64_t channels, float *to, uint8_t *winner) {
    std::vector<const float *> at(rows.height());
    over_windows(across, [&](int64_t p, bool inside) {
        const int64_t first = across.first(p), left = first - (p * across.stride - across.padding);
        for (int64_t k = 0; k < rows.height(); ++k) at[k] = rows.row(k) + first * channels;
        const int64_t place = rows.top * across.kernel + left, width = across.last(p) - first;
        float *best = to + p * channels;
        uint8_t *where = winner + p * channels;
        if (inside && rows.height() == K)
            max_of_window<K>(at.data(), K, K, place, K, channels, best, where);
        else
            max_of_window<0>(at.data(), rows.height(), width, place, across.kernel, channels, best, where);
    });
}

template <int K>
void average_of_rows(const WindowRows &rows, const Axis &across, float share, int64_t channels, float *to) {
    std::vector<const float *> at(rows.height());
    over_windows(across, [&](int64_t p, bool inside) {
        const int64_t first = across.first(p);
        for (int64_t k = 0; k < rows.height(); ++k) at[k] = rows.row(k) + first * channels;
        float *mean = to + p * channels;
        if (inside && rows.height() == K)
            average_of_window<K>(at.data(), K, K, share, channels, mean);
        else
            average_of_window<0>(at.data(), rows.height(), across.last(p) - first, share, channels, mean);
    });
}

// Adds the gradient of one pooled row to the pixels under it, or writes it where windows do not overlap (ADD off).
template <int K, bool MAX, bool ADD> struct Spread {
    const PooledRow &row;
    const Axis &across;
    const int64_t channels;
    const float share;
    float *to;

    // LANES channels of the window whose places [from, end) lie in the image.
    template <bool LAST>
    ALWAYS_INLINE void vector(int64_t p, int64_t c, int64_t from, int64_t end) const {
        const int64_t at = p * channels + c;
        floats gradient = load(row.gradient + at) * share;
        if (LAST && ADD) gradient = first_lanes(channels - c) ? gradient : floats{};  // the next pixel stays
        float *pixel = to + (p * across.stride - across.padding) * channels + c;
        integers winner{};
        if (MAX) winner = load(row.winner + at);
        const int32_t first = static_cast<int32_t>(row.window_row * across.kernel);
        for (int64_t i = from; i < end; ++i) {
            floats value = gradient;
            if (MAX) value = winner == first + static_cast<int32_t>(i) ? gradient : floats{};
            if (ADD) value += load(pixel + i * channels);
            store(pixel + i * channels, value);
        }
    }

    ALWAYS_INLINE void pixels(int64_t p, int64_t from, int64_t end) const {
        int64_t c = 0;
        for (; c + LANES <= channels; c += LANES) vector<false>(p, c, from, end);
        if (c < channels) vector<true>(p, c, from, end);
    }

    ALWAYS_INLINE void window(int64_t p, int64_t from, int64_t end) const {
        if (ADD || channels <= LANES || channels % LANES == 0) return pixels(p, from, end);
        for (int64_t i = from; i < end; ++i) pixels(p, i, i + 1);  // each before the one that it runs into
    }

    void all() const {
        over_windows(across, [&](int64_t p, bool inside) {
            if (inside) return window(p, 0, K ? K : across.kernel);
            const int64_t start = p * across.stride - across.padding;
            return window(p, across.first(p) - start, across.last(p) - start);
        });
    }
};

template <int K, bool MAX>
void spread(const std::vector<PooledRow> &rows, const Axis &across, float share, int64_t channels, float *to) {
    const int64_t length = across.size * channels;
    if (rows.size() == 1 && across.stride == across.kernel && across.padding == 0) {
        Spread<K, MAX, false>{rows[0], across, channels, share, to}.all();
        return std::fill(to + across.pooled * across.kernel * channels, to + length, 0.0f);
    }
    std::fill(to, to + length, 0.0f);
    for (const PooledRow &row : rows) Spread<K, MAX, true>{row, across, channels, share, to}.all();
}

// Calls work(K) with K as a constant: 2, 3, or 0 for any other.
template <class Work> void with_kernel(int64_t kernel, Work work) {
    if (kernel == 2) return work(std::integral_constant<int, 2>{});
    if (kernel == 3) return work(std::integral_constant<int, 3>{});
    return work(std::integral_constant<int, 0>{});
}

}  // namespace

void max_of_rows(const WindowRows &rows, const Axis &across, int64_t channels, float *to, uint8_t *winner) {
    with_kernel(across.kernel, [&](auto k) { max_of_rows<k()>(rows, across, channels, to, winner); });
}

void average_of_rows(const WindowRows &rows, const Axis &across, float share, int64_t channels, float *to) {
    with_kernel(across.kernel, [&](auto k) { average_of_rows<k()>(rows, across, share, channels, to); });
}

void max_gradient(const std::vector<PooledRow> &rows, const Axis &across, int64_t channels, float *to) {
    with_kernel(across.kernel, [&](auto k) { spread<k(), true>(rows, across, 1.0f, channels, to); });
}

void average_gradient(const std::vector<PooledRow> &rows, const Axis &across, float share, int64_t channels,
                      float *to) {
    with_kernel(across.kernel, [&](auto k) { spread<k(), false>(rows, across, share, channels, to); });
}
