// Windows of pooling over rows of floats; the rows may be read and written LANES floats past their end.
#pragma once
#include "pointwise.h"

// The windows of one axis: kernel, stride and padding; ceil_mode off, dilation 1.
struct Axis {
    int64_t size, pooled, kernel, stride, padding;
    // Places of the window that begins at pooled place p: [first, last).
    int64_t first(int64_t p) const { return std::max<int64_t>(0, p * stride - padding); }
    int64_t last(int64_t p) const { return std::min(size, p * stride - padding + kernel); }
    // Windows that hold place i: [first_window, last_window).
    int64_t first_window(int64_t i) const {
        const int64_t outside = i + padding - kernel;  // windows that begin at or before it end before i
        return outside < 0 ? 0 : outside / stride + 1;
    }
    int64_t last_window(int64_t i) const { return std::min(pooled, (i + padding) / stride + 1); }
};

inline Axis vertical(const PointwiseCall &call) {
    return {call.height, call.pooled_height, call.kernel_height, call.stride_height, call.padding_height};
}

inline Axis horizontal(const PointwiseCall &call) {
    return {call.width, call.pooled_width, call.kernel_width, call.stride_width, call.padding_width};
}

// The last few rows, so that overlapping windows compute each row once.
class RowRing {
    std::vector<Floats> slots;
    std::vector<int64_t> held;

public:
    RowRing(int64_t count, int64_t length) : slots(count, Floats(length)), held(count, -1) {}
    // Row `row` of all rows of the tensor; fill(floats) writes it where it is not held yet.
    template <class Fill> const float *row(int64_t row, Fill fill) {
        const int64_t slot = row % static_cast<int64_t>(slots.size());
        if (held[slot] != row) {
            fill(slots[slot].data());
            held[slot] = row;
        }
        return slots[slot].data();
    }
};

// The rows of the image under one row of windows; `top` rows of padding lie above them.
struct WindowRows {
    std::vector<const float *> inside;
    int64_t top = 0;
    int64_t height() const { return static_cast<int64_t>(inside.size()); }
    const float *row(int64_t k) const { return inside[k]; }
};

// One row of maxima and their places in the windows.
void max_of_rows(const WindowRows &rows, const Axis &across, int64_t channels, float *to, uint8_t *winner);
// One row of averages; `share` is one over the places of a window, with padding.
void average_of_rows(const WindowRows &rows, const Axis &across, float share, int64_t channels, float *to);

// One pooled row whose windows hold the row of pixels at hand.
struct PooledRow {
    const float *gradient;
    const uint8_t *winner;
    int64_t window_row;  // which row of its windows the row of pixels is
};

// Gradient of one row of pixels from the pooled rows whose windows hold them.
void max_gradient(const std::vector<PooledRow> &rows, const Axis &across, int64_t channels, float *to);
void average_gradient(const std::vector<PooledRow> &rows, const Axis &across, float share, int64_t channels,
                      float *to);

// One over the places of a window.
inline float share_of(const PointwiseCall &call) {
    return 1.0f / static_cast<float>(call.kernel_height * call.kernel_width);
}
