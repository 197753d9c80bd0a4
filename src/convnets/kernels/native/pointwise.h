// pool(activation(norm(x) + residual)) on channels-last memory, forward and backward: what the files share.
#pragma once
#include <omp.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "activations.h"

// One call from Python; the fields and their order are those of `_Call` in kernels/pointwise.py.
// Tensors are rows of channels: images × height × width × channels. A null pointer: not there, or not wanted.
struct PointwiseCall {
    const void *x, *residual;
    void *y;          // the result
    uint8_t *winner;  // max pooling: place of the maximum in its window, kernel_width·row + column;
                      // LANES further bytes may be read and written
    const void *grad_y;
    void *grad_z;  // gradient of norm(x) + residual; may be the memory of grad_x
    void *grad_x;
    const float *weight, *bias;
    float *running_mean, *running_var;
    float *mean, *inverse_std;  // of this batch: written by forward, read by backward
    float *grad_weight, *grad_bias;
    int64_t images, height, width, channels;
    int64_t pooled_height, pooled_width;
    int64_t kernel_height, kernel_width, stride_height, stride_width, padding_height, padding_width;
    float epsilon, momentum;
    int32_t is_bfloat16, activation, pooling, normalized, threads;

    int64_t rows() const { return images * height * width; }
    int64_t elements() const { return rows() * channels; }
};

enum Pooling : int32_t { NO_POOLING, MAX_POOLING, AVERAGE_POOLING };

constexpr int64_t ELEMENTS_PER_THREAD = 65536;  // below, starting a thread costs more than it saves

inline int threads_of(const PointwiseCall &call) {
    return static_cast<int>(std::clamp<int64_t>(call.elements() / ELEMENTS_PER_THREAD, 1, call.threads));
}

struct Share {
    int64_t begin, end;
    Share(int64_t units, int part, int parts) : begin(units * part / parts), end(units * (part + 1) / parts) {}
};

// Calls work(part) for each part on a thread of its own.
template <class Work> void in_parallel(int parts, Work work) {
    if (parts == 1) return work(0);
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int part = 0; part < parts; ++part) work(part);
}

// Zeros at the start, aligned to cache lines; LANES further floats may be read and written past the end.
class Floats {
    struct alignas(64) Line {
        float values[16] = {};
    };
    std::vector<Line> lines;

public:
    explicit Floats(int64_t size = 0) : lines((size + LANES + 15) / 16) {}
    float *data() { return lines[0].values; }
    const float *data() const { return lines[0].values; }
    float &operator[](int64_t i) { return data()[i]; }
};

// Vectors lie across pixels where the number of channels is no multiple of LANES. After `period_of` elements the
// first lane is channel 0 again, so values per channel are repeated to that length.
inline int64_t period_of(int64_t channels) {
    const int64_t shortest = std::lcm(channels, LANES);
    return shortest * std::max<int64_t>(1, 128 / shortest);
}

template <class Value> Floats repeated(int64_t channels, Value value) {
    const int64_t period = period_of(channels);
    Floats result(period);
    for (int64_t c = 0; c < channels; ++c) result[c] = value(c);
    for (int64_t i = channels; i < period + LANES; ++i) result[i] = result[i - channels];
    return result;
}

// Calls body(rows, i, j, lanes) for vectors that cover n elements whose first is channel 0: `rows` vectors at
// i, i + period, …, whose values per channel are all at j.
template <class Body> ALWAYS_INLINE void over_channels(int64_t n, int64_t period, Body body) {
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    int64_t i = 0;
    // several rows at once only where they are near: one stream through memory is what prefetching follows
    if (period <= 192)
    for (; i + 4 * period <= n; i += 4 * period)
        for (int64_t j = 0; j < period; j += LANES) body(four, i + j, j, LANES);
    for (; i + period <= n; i += period)
        for (int64_t j = 0; j < period; j += LANES) body(one, i + j, j, LANES);
    int64_t j = 0;
    for (; i + j + LANES <= n; j += LANES) body(one, i + j, j, LANES);
    if (i + j < n) body(one, i + j, j, n - i - j);
}

// Two sums per channel: in floats over a block, in doubles over the blocks.
class ChannelSums {
    int64_t period, waiting = 0;
    Floats first_block, second_block;
    std::vector<double> first_total, second_total;

public:
    static constexpr int64_t BLOCK = 256;  // vectors that each lane of a block adds up

    explicit ChannelSums(int64_t period)
        : period(period), first_block(period), second_block(period), first_total(period), second_total(period) {}
    float *first() { return first_block.data(); }
    float *second() { return second_block.data(); }
    // After n more elements have been added.
    void added(int64_t n) {
        waiting += n;
        if (waiting >= BLOCK * period) close();
    }
    void close() {
        for (int64_t i = 0; i < period; ++i) {
            first_total[i] += first_block[i];
            second_total[i] += second_block[i];
            first_block[i] = second_block[i] = 0.0f;
        }
        waiting = 0;
    }
    void add_to(std::vector<double> &first, std::vector<double> &second) {
        close();
        const int64_t channels = static_cast<int64_t>(first.size());
        for (int64_t i = 0; i < period; ++i) {
            first[i % channels] += first_total[i];
            second[i % channels] += second_total[i];
        }
    }
};

// Per channel: z = (x − mean)·scale + shift. Without norm: 0, 1, 0.
struct Normalizer {
    int64_t period;
    Floats mean, scale, shift;
    explicit Normalizer(const PointwiseCall &call);
};

// The batch's mean and 1/standard deviation into call.mean and call.inverse_std; updates the running statistics.
void measure_statistics(const PointwiseCall &call);

// Calls work(T{}, A{}) with the call's type of element and its activation.
template <class Work> void with_types(const PointwiseCall &call, Work work) {
    const auto with_element = [&](auto element) {
        switch (call.activation) {
            case 0: return work(element, Identity{});
            case 1: return work(element, ReLU{});
            case 2: return work(element, Sigmoid<decltype(element)>{});
            case 3: return work(element, Tanh<decltype(element)>{});
            case 4: return work(element, GELU<decltype(element)>{});
            case 5: return work(element, SiLU<decltype(element)>{});
        }
    };
    if (call.is_bfloat16) return with_element(bfloat16{});
    return with_element(float{});
}
