// Forward: one read of x for the statistics, one more for the result.
#include "pooling.h"

namespace {

// n elements that begin with channel 0.
template <class A, class T, class To>
void transform(const T *x, const T *residual, int64_t n, const Normalizer &norm, To *to) {
    const float *mean = norm.mean.data(), *scale = norm.scale.data(), *shift = norm.shift.data();
    const int64_t period = norm.period;
    over_channels(n, period, [&](auto rows, int64_t i, int64_t j, int64_t lanes) ALWAYS_INLINE_LAMBDA {
        const floats m = load(mean + j), k = load(scale + j), b = load(shift + j);
        for (int row = 0; row < rows; ++row) {
            const int64_t at = i + row * period;
            floats z = (load(x + at, lanes) - m) * k + b;
            if (residual) z += load(residual + at, lanes);
            store(to + at, A::value(z), lanes);
        }
    });
}

template <class T, class A> void without_pooling(const PointwiseCall &call, const Normalizer &norm) {
    const T *x = static_cast<const T *>(call.x), *residual = static_cast<const T *>(call.residual);
    T *y = static_cast<T *>(call.y);
    const int64_t elements = call.elements(), period = norm.period;
    const int parts = threads_of(call);
    in_parallel(parts, [&](int part) {
        const Share share((elements + period - 1) / period, part, parts);
        const int64_t begin = share.begin * period, end = std::min(share.end * period, elements);
        transform<A>(x + begin, residual ? residual + begin : nullptr, end - begin, norm, y + begin);
    });
}

template <class A, class T> void write_activated(const float *from, int64_t n, T *to) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store(to + i, A::value(load(from + i)));
    if (i < n) store(to + i, A::value(load(from + i)), n - i);
}

template <class T, class A> void pool_rows(const PointwiseCall &call, const Normalizer &norm, Share share) {
    const bool is_max = call.pooling == MAX_POOLING, activate_last = is_max && A::monotone;
    const int64_t length = call.width * call.channels, pooled_length = call.pooled_width * call.channels;
    const T *x = static_cast<const T *>(call.x), *residual = static_cast<const T *>(call.residual);
    const Axis down = vertical(call), across = horizontal(call);
    RowRing ring(call.kernel_height, length);
    Floats pooled(pooled_length);
    std::vector<uint8_t> winner(pooled_length + LANES);
    WindowRows rows;
    for (int64_t unit = share.begin; unit < share.end; ++unit) {
        const int64_t image = unit / call.pooled_height, p = unit % call.pooled_height;
        rows.top = down.first(p) - (p * down.stride - down.padding);
        rows.inside.clear();
        for (int64_t h = down.first(p); h < down.last(p); ++h) {
            const int64_t row = image * call.height + h;
            rows.inside.push_back(ring.row(row, [&](float *to) {
                const T *from = x + row * length, *added = residual ? residual + row * length : nullptr;
                const int64_t whole = (length + LANES - 1) / LANES * LANES;  // into the next row, if there is one
                const int64_t n = row * length + whole <= call.elements() ? whole : length;
                if (activate_last) return transform<Identity>(from, added, n, norm, to);
                return transform<A>(from, added, n, norm, to);
            }));
        }
        if (is_max) {
            max_of_rows(rows, across, call.channels, pooled.data(), winner.data());
            std::copy_n(winner.data(), pooled_length, call.winner + unit * pooled_length);
        } else {
            average_of_rows(rows, across, share_of(call), call.channels, pooled.data());
        }
        T *y = static_cast<T *>(call.y) + unit * pooled_length;
        if (activate_last)
            write_activated<A>(pooled.data(), pooled_length, y);
        else
            write_activated<Identity>(pooled.data(), pooled_length, y);
    }
}

}  // namespace

extern "C" int64_t pointwise_call_size() { return sizeof(PointwiseCall); }

extern "C" void pointwise_forward(const PointwiseCall *call) {
    if (call->normalized) measure_statistics(*call);
    const Normalizer norm(*call);
    with_types(*call, [&](auto element, auto activation) {
        using T = decltype(element);
        using A = decltype(activation);
        if (call->pooling == NO_POOLING) return without_pooling<T, A>(*call, norm);
        const int parts = threads_of(*call);
        in_parallel(parts, [&](int part) {
            pool_rows<T, A>(*call, norm, Share(call->images * call->pooled_height, part, parts));
        });
    });
}
