// Backward: the first pass gives the gradient before the norm and its sums per channel, the second the gradient
// of x. Ioffe & Szegedy (2015), section 3, with g the gradient of z = x̂·γ + β:
// grad_x = γ/σ · (g − mean(g) − x̂·mean(g·x̂)).
#include "pooling.h"

namespace {

// n elements that begin with channel 0: g = grad · a′(z) into `grad_z` where that is wanted, and, for a norm, its sums.
template <class T, class A, bool SUMS, class Gradient> class FirstPass {
    static constexpr bool reads_x = SUMS || !std::is_same_v<A, Identity>;  // otherwise x may be null
    const Normalizer &norm;
    ChannelSums &sums;

public:
    FirstPass(const Normalizer &norm, ChannelSums &sums) : norm(norm), sums(sums) {}

    void operator()(const Gradient *grad, const T *x, const T *residual, int64_t n, T *grad_z) {
        const float *mean = norm.mean.data(), *scale = norm.scale.data(), *shift = norm.shift.data();
        float *first = sums.first(), *second = sums.second();
        const int64_t period = norm.period;
        over_channels(n, period, [&](auto rows, int64_t i, int64_t j, int64_t lanes) ALWAYS_INLINE_LAMBDA {
            const floats m = load(mean + j), k = load(scale + j), b = load(shift + j);
            floats sum = load(first + j), product = load(second + j);
            for (int row = 0; row < rows; ++row) {
                const int64_t at = i + row * period;
                floats z{}, centered{};
                if (reads_x) z = load(x + at, lanes);
                if (SUMS) {  // there is a norm
                    centered = z - m;
                    z = centered * k + b;
                }
                if (residual) z += load(residual + at, lanes);
                const floats g = A::slope(z, load(grad + at, lanes));
                if (SUMS) {
                    sum += g;
                    product += g * centered;
                }
                if (grad_z) store(grad_z + at, g, lanes);
            }
            if (SUMS) {
                store(first + j, sum);
                store(second + j, product);
            }
        });
        if (SUMS) sums.added(n);
    }
};

template <class T> T *shifted(const void *tensor, int64_t by) {
    return tensor ? const_cast<T *>(static_cast<const T *>(tensor)) + by : nullptr;
}

template <class T, class A, bool SUMS>
void first_pass(const PointwiseCall &call, const Normalizer &norm, int part, int parts, ChannelSums &sums) {
    const int64_t elements = call.elements(), period = norm.period, block = ChannelSums::BLOCK * period;
    const Share share((elements + period - 1) / period, part, parts);
    const int64_t end = std::min(share.end * period, elements);
    FirstPass<T, A, SUMS, T> pass(norm, sums);
    for (int64_t i = share.begin * period; i < end; i += block)
        pass(shifted<T>(call.grad_y, i), shifted<T>(call.x, i), shifted<T>(call.residual, i),
             std::min(block, end - i), shifted<T>(call.grad_z, i));
}

// The gradient of one row of pixels of an image from the pooled rows whose windows hold it.
template <class T> class PooledGradient {
    const PointwiseCall &call;
    const Axis down, across;
    const int64_t pooled_length;
    RowRing ring;
    std::vector<PooledRow> rows;

    const float *pooled_row(int64_t row) {
        return ring.row(row, [&](float *to) {
            const T *from = static_cast<const T *>(call.grad_y) + row * pooled_length;
            int64_t i = 0;
            for (; i + LANES <= pooled_length; i += LANES) store(to + i, load(from + i));
            if (i < pooled_length) store(to + i, load(from + i, pooled_length - i));
        });
    }

public:
    explicit PooledGradient(const PointwiseCall &call)
        : call(call),
          down(vertical(call)),
          across(horizontal(call)),
          pooled_length(call.pooled_width * call.channels),
          ring(call.kernel_height, pooled_length) {}

    // LANES floats past the end may be written.
    void write(int64_t image, int64_t h, float *to) {
        rows.clear();
        for (int64_t p = down.first_window(h); p < down.last_window(h); ++p) {
            const int64_t row = image * call.pooled_height + p;
            const uint8_t *winner = call.winner ? call.winner + row * pooled_length : nullptr;
            rows.push_back({pooled_row(row), winner, h - (p * down.stride - down.padding)});
        }
        if (call.pooling == MAX_POOLING)
            max_gradient(rows, across, call.channels, to);
        else
            average_gradient(rows, across, share_of(call), call.channels, to);
    }
};

constexpr int64_t BAND = 4096;  // floats that stay in the nearest cache

template <class T, class A, bool SUMS>
void first_pass_pooled(const PointwiseCall &call, const Normalizer &norm, int part, int parts, ChannelSums &sums) {
    const Share share(call.images * call.height, part, parts);
    const int64_t length = call.width * call.channels;
    const int64_t band = std::max<int64_t>(1, BAND / length);
    PooledGradient<T> gradient(call);
    Floats of_band(band * length);
    FirstPass<T, A, SUMS, float> pass(norm, sums);
    for (int64_t row = share.begin; row < share.end; row += band) {
        const int64_t rows = std::min(band, share.end - row);
        for (int64_t i = 0; i < rows; ++i)
            gradient.write((row + i) / call.height, (row + i) % call.height, &of_band[i * length]);
        pass(of_band.data(), shifted<T>(call.x, row * length), shifted<T>(call.residual, row * length),
             rows * length, shifted<T>(call.grad_z, row * length));
    }
}

// Per channel, for the second pass: grad_x = (g − mean_g)·scale − (x − mean)·slope.
struct Correction {
    Floats mean_g, slope;
};

Correction sum_up(const PointwiseCall &call, const Normalizer &norm, std::vector<ChannelSums> &parts) {
    std::vector<double> sum(call.channels), product(call.channels);
    for (ChannelSums &part : parts) part.add_to(sum, product);
    const double n = static_cast<double>(call.rows());
    for (int64_t c = 0; c < call.channels; ++c) {
        if (call.grad_bias) call.grad_bias[c] = static_cast<float>(sum[c]);
        if (call.grad_weight) call.grad_weight[c] = static_cast<float>(product[c] * call.inverse_std[c]);
    }
    return {repeated(call.channels, [&](int64_t c) { return static_cast<float>(sum[c] / n); }),
            repeated(call.channels, [&](int64_t c) {
                const double inverse = call.inverse_std[c];
                return static_cast<float>(norm.scale.data()[c] * inverse * inverse * product[c] / n);
            })};
}

template <class T, class A>
void second_pass(const PointwiseCall &call, const Normalizer &norm, const Correction &correction, const T *grad) {
    const T *x = static_cast<const T *>(call.x);
    T *grad_x = static_cast<T *>(call.grad_x);
    const float *mean = norm.mean.data(), *scale = norm.scale.data(), *shift = norm.shift.data();
    const float *mean_g = correction.mean_g.data(), *slope = correction.slope.data();
    const int64_t elements = call.elements(), period = norm.period;
    const int parts = threads_of(call);
    in_parallel(parts, [&](int part) {
        const Share share((elements + period - 1) / period, part, parts);
        const int64_t begin = share.begin * period, end = std::min(share.end * period, elements);
        over_channels(end - begin, period, [&](auto rows, int64_t i, int64_t j, int64_t lanes) ALWAYS_INLINE_LAMBDA {
            const floats m = load(mean + j), k = load(scale + j), b = load(shift + j);
            const floats mg = load(mean_g + j), s = load(slope + j);
            for (int row = 0; row < rows; ++row) {
                const int64_t at = begin + i + row * period;
                const floats centered = load(x + at, lanes) - m;
                const floats g = A::slope(centered * k + b, load(grad + at, lanes));
                store(grad_x + at, (g - mg) * k - centered * s, lanes);
            }
        });
    });
}

template <class T, class A, bool SUMS> void backward(const PointwiseCall &call) {
    const Normalizer norm(call);
    const int parts = threads_of(call);
    std::vector<ChannelSums> sums(parts, ChannelSums(norm.period));
    in_parallel(parts, [&](int part) {
        if (call.pooling == NO_POOLING) return first_pass<T, A, SUMS>(call, norm, part, parts, sums[part]);
        return first_pass_pooled<T, A, SUMS>(call, norm, part, parts, sums[part]);
    });
    if (!SUMS) return;
    const Correction correction = sum_up(call, norm, sums);
    if (!call.grad_x) return;
    if (call.grad_z) return second_pass<T, Identity>(call, norm, correction, static_cast<const T *>(call.grad_z));
    return second_pass<T, A>(call, norm, correction, static_cast<const T *>(call.grad_y));
}

}  // namespace

extern "C" void pointwise_backward(const PointwiseCall *call) {
    with_types(*call, [&](auto element, auto activation) {
        using T = decltype(element);
        using A = decltype(activation);
        if (call->normalized) return backward<T, A, true>(*call);
        return backward<T, A, false>(*call);
    });
}
