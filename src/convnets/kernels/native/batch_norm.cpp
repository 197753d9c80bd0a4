// Batch statistics in one pass over x.
#include <cmath>

#include "pointwise.h"

namespace {

// Near the mean of each channel: squares of the distances to it do not cancel as squares of large values would.
template <class T> Floats near_the_mean(const T *x, int64_t rows, int64_t channels) {
    constexpr int64_t SAMPLES = 16;
    const int64_t samples = std::min(rows, SAMPLES);
    std::vector<float> sum(channels);
    for (int64_t sample = 0; sample < samples; ++sample) {
        const T *row = x + (sample * rows / samples) * channels;
        for (int64_t c = 0; c < channels; ++c) sum[c] += to_float(row[c]);
    }
    return repeated(channels, [&](int64_t c) { return sum[c] / static_cast<float>(samples); });
}

template <class T> void sum_distances(const T *x, int64_t n, const Floats &from, ChannelSums &sums, int64_t period) {
    const float *center = from.data();
    float *first = sums.first(), *second = sums.second();
    for (int64_t done = 0; done < n; done += ChannelSums::BLOCK * period) {
        const int64_t block = std::min(n - done, ChannelSums::BLOCK * period);
        over_channels(block, period, [&](auto rows, int64_t i, int64_t j, int64_t lanes) ALWAYS_INLINE_LAMBDA {
            const floats c = load(center + j, lanes);
            floats sum = load(first + j), squares = load(second + j);
            for (int row = 0; row < rows; ++row) {
                const floats distance = load(x + done + i + row * period, lanes) - c;
                sum += distance;
                squares += distance * distance;
            }
            store(first + j, sum);
            store(second + j, squares);
        });
        sums.added(block);
    }
}

template <class T> void measure(const PointwiseCall &call) {
    const T *x = static_cast<const T *>(call.x);
    const int64_t channels = call.channels, period = period_of(channels), elements = call.elements();
    const Floats center = near_the_mean(x, call.rows(), channels);
    const int parts = threads_of(call);
    std::vector<ChannelSums> sums(parts, ChannelSums(period));
    in_parallel(parts, [&](int part) {
        const Share share((elements + period - 1) / period, part, parts);
        const int64_t begin = share.begin * period, end = std::min(share.end * period, elements);
        sum_distances(x + begin, end - begin, center, sums[part], period);
    });
    std::vector<double> first(channels), second(channels);
    for (ChannelSums &part : sums) part.add_to(first, second);
    const double n = static_cast<double>(call.rows());
    for (int64_t c = 0; c < channels; ++c) {
        const double distance = first[c] / n;
        const double mean = center.data()[c] + distance;
        double variance = second[c] / n - distance * distance;
        if (variance < 0.0) variance = 0.0;  // by rounding; a NaN stays
        call.mean[c] = static_cast<float>(mean);
        call.inverse_std[c] = static_cast<float>(1.0 / std::sqrt(variance + call.epsilon));
        const double m = call.momentum, unbiased = variance * (n / (n - 1.0));
        call.running_mean[c] = static_cast<float>((1.0 - m) * call.running_mean[c] + m * mean);
        call.running_var[c] = static_cast<float>((1.0 - m) * call.running_var[c] + m * unbiased);
    }
}

}  // namespace

void measure_statistics(const PointwiseCall &call) {
    if (call.is_bfloat16) return measure<bfloat16>(call);
    return measure<float>(call);
}

Normalizer::Normalizer(const PointwiseCall &call)
    : period(period_of(call.channels)),
      mean(repeated(call.channels, [&](int64_t c) { return call.normalized ? call.mean[c] : 0.0f; })),
      scale(repeated(call.channels,
                     [&](int64_t c) {
                         const float weight = call.weight ? call.weight[c] : 1.0f;
                         return call.normalized ? weight * call.inverse_std[c] : 1.0f;
                     })),
      shift(repeated(call.channels,
                     [&](int64_t c) { return call.normalized && call.bias ? call.bias[c] : 0.0f; })) {}
