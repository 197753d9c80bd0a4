// Pooling of one row, forward and backward. Pixels follow each other in ascending order and each is written in
// whole vectors: what lies past its last channel is overwritten by the next pixel, or is past the end of the row.
#include "pooling.h"

#include <limits>

void max_of_rows(const std::vector<const float *> &rows, const Axis &across, int64_t channels, float *to,
                 uint8_t *winner) {
    const int64_t height = static_cast<int64_t>(rows.size());
    for (int64_t p = 0; p < across.pooled; ++p) {
        const int64_t start = p * across.stride - across.padding;
        const int64_t first = across.first(p), last = across.last(p);
        int64_t top = 0;
        while (!rows[top]) ++top;
        for (int64_t c = 0; c < channels; c += LANES) {
            floats best = broadcast(-std::numeric_limits<float>::infinity());
            integers where = integers{} + static_cast<int32_t>(top * across.kernel + first - start);
            for (int64_t k = top; k < height && rows[k]; ++k) {
                for (int64_t i = first; i < last; ++i) {
                    const floats value = load(rows[k] + i * channels + c);
                    const integers better = (value > best) | (value != value);  // a NaN wins, as in PyTorch
                    best = better ? value : best;
                    where = better ? integers{} + static_cast<int32_t>(k * across.kernel + i - start) : where;
                }
            }
            store(to + p * channels + c, best);
            store(winner + p * channels + c, where);
        }
    }
}

void average_of_rows(const std::vector<const float *> &rows, const Axis &across, int64_t channels, float *to) {
    const int64_t height = static_cast<int64_t>(rows.size());
    const float share = 1.0f / static_cast<float>(height * across.kernel);
    for (int64_t p = 0; p < across.pooled; ++p) {
        const int64_t first = across.first(p), last = across.last(p);
        for (int64_t c = 0; c < channels; c += LANES) {
            floats sum{};
            for (int64_t k = 0; k < height; ++k) {
                if (!rows[k]) continue;
                for (int64_t i = first; i < last; ++i) sum += load(rows[k] + i * channels + c);
            }
            store(to + p * channels + c, sum * share);
        }
    }
}

void max_gradient(const std::vector<PooledRow> &rows, const Axis &across, int64_t channels, float *to) {
    for (int64_t i = 0; i < across.size; ++i) {
        const int64_t first = across.first_window(i), last = across.last_window(i);
        for (int64_t c = 0; c < channels; c += LANES) {
            floats sum{};
            for (const PooledRow &row : rows) {
                for (int64_t p = first; p < last; ++p) {
                    const int64_t place = row.window_row * across.kernel + i - (p * across.stride - across.padding);
                    const integers won = load(row.winner + p * channels + c) == static_cast<int32_t>(place);
                    sum += won ? load(row.gradient + p * channels + c) : floats{};
                }
            }
            store(to + i * channels + c, sum);
        }
    }
}

void average_gradient(const std::vector<PooledRow> &rows, const Axis &across, int64_t kernel_height,
                      int64_t channels, float *to) {
    const float share = 1.0f / static_cast<float>(kernel_height * across.kernel);
    for (int64_t i = 0; i < across.size; ++i) {
        const int64_t first = across.first_window(i), last = across.last_window(i);
        for (int64_t c = 0; c < channels; c += LANES) {
            floats sum{};
            for (const PooledRow &row : rows)
                for (int64_t p = first; p < last; ++p) sum += load(row.gradient + p * channels + c);
            store(to + i * channels + c, sum * share);
        }
    }
}
