// The activations and their derivatives on vectors. The C library's exp, tanh and erf do not vectorize: the
// polynomials here are minimax fits of our own, with a relative error below 1e-6 in float32 (tests/kernels hold them to that).
#pragma once
#include "vectors.h"

// T is the type that results are rounded to: for bfloat16, which keeps 8 bits, errors of 2^-13 are invisible.

template <class T> constexpr bool is_rough = std::is_same_v<T, bfloat16>;

// e^x for x from −87 to 88, where it is a normal float: 2^n · 2^f with a whole n and |f| ≤ 1/2.
template <class T> static ALWAYS_INLINE floats exponential_inside(floats x) {
    const float to_integer = 12582912.0f;  // 1.5·2^23: adding it rounds to a whole number in the lowest bits
    const floats shifted = x * 1.44269504f + to_integer;
    const floats whole = shifted - to_integer;
    floats f = x * 1.44269504f - whole, p;
    if (is_rough<T>) {
        p = broadcast(5.517167e-2f);
        p = p * f + 2.4261113e-1f;
        p = p * f + 6.9326097e-1f;
        p = p * f + 9.9992806e-1f;
    } else {
        f += x * 1.925963e-8f;  // the rest of log2(e)
        p = broadcast(1.5345812e-4f);
        p = p * f + 1.3399931e-3f;
        p = p * f + 9.618489e-3f;
        p = p * f + 5.5503286e-2f;
        p = p * f + 2.4022646e-1f;
        p = p * f + 6.931472e-1f;
        p = p * f + 1.0f;
    }
    return same_bits<floats>(same_bits<words>(p) + (same_bits<words>(shifted) << 23));
}

// e^x, of an x clamped to those; a NaN stays one.
template <class T> static ALWAYS_INLINE floats exponential(floats x) {
    return exponential_inside<T>(at_most(at_least(x, -87.0f), 88.0f));
}

// e^−x for x from 0 on.
template <class T> static ALWAYS_INLINE floats decay(floats x) { return exponential_inside<T>(at_least(-x, -87.0f)); }

template <class T> static ALWAYS_INLINE floats reciprocal(floats x) {
#if defined(__AVX512F__) && defined(__AVX512BF16__)
    if (is_rough<T>) return same_bits<floats>(_mm512_rcp14_ps(same_bits<__m512>(x)));
#endif
    return 1.0f / x;
}

static ALWAYS_INLINE floats magnitude(floats x) { return same_bits<floats>(same_bits<words>(x) & 0x7fffffffu); }

template <class T> static ALWAYS_INLINE floats logistic(floats x) { return reciprocal<T>(1.0f + exponential<T>(-x)); }

template <class T> static ALWAYS_INLINE floats hyperbolic_tangent(floats x) {
    const words sign = same_bits<words>(x) & 0x80000000u;
    const floats size = same_bits<floats>(same_bits<words>(x) ^ sign);
    const floats large = 1.0f - 2.0f * reciprocal<T>(exponential<T>(2.0f * size) + 1.0f);
    const floats u = x * x;  // near zero the formula above would cancel
    floats p = broadcast(-5.717045e-3f);
    p = p * u + 2.0650588e-2f;
    p = p * u - 5.3743497e-2f;
    p = p * u + 1.3331491e-1f;
    p = p * u - 3.3333284e-1f;
    const floats small = size + size * u * p;
    const floats result = size < 0.625f ? small : large;
    return same_bits<floats>(same_bits<words>(result) | sign);
}

struct Normal {
    floats cumulative, density;  // Φ(x), φ(x)
};

// The standard normal distribution: erfc(u)·e^(u²) is a polynomial in t = 1/(1 + 0.4u), so that one exponential
// serves both and small tails keep their relative accuracy.
template <class T> static ALWAYS_INLINE Normal standard_normal(floats x) {
    const floats size = magnitude(x);
    const floats bell = decay<T>(0.5f * x * x);
    const floats t = reciprocal<T>(1.0f + 0.282842712f * size);  // u = |x|/√2
    floats p = broadcast(4.1253064e-2f);
    p = p * t - 1.4031935e-1f;
    p = p * t + 8.398752e-2f;
    p = p * t + 8.796409e-2f;
    p = p * t + 7.975666e-2f;
    p = p * t + 1.9339314e-1f;
    p = p * t + 2.0188761e-1f;
    p = p * t + 2.2644311e-1f;
    p = p * t + 2.2563423e-1f;
    const floats tail = 0.5f * bell * t * p;
    return {x < 0.0f ? tail : 1.0f - tail, 0.398942280f * bell};
}

// `value` is a(x), `slope` is g·a′(x); `monotone`: a(max) = max(a), so that pooling may come first.

struct Identity {
    static constexpr bool monotone = true;
    static ALWAYS_INLINE floats value(floats x) { return x; }
    static ALWAYS_INLINE floats slope(floats, floats g) { return g; }
};

struct ReLU {
    static constexpr bool monotone = true;
    static ALWAYS_INLINE floats value(floats x) { return x < 0.0f ? floats{} : x; }
    static ALWAYS_INLINE floats slope(floats x, floats g) { return x <= 0.0f ? floats{} : g; }
};

template <class T> struct Sigmoid {
    static constexpr bool monotone = true;
    static ALWAYS_INLINE floats value(floats x) { return logistic<T>(x); }
    static ALWAYS_INLINE floats slope(floats x, floats g) {
        const floats e = decay<T>(magnitude(x)), r = reciprocal<T>(1.0f + e);
        return g * (e * r * r);  // s·(1 − s) without its cancellation where s is near 1
    }
};

template <class T> struct Tanh {
    static constexpr bool monotone = true;
    static ALWAYS_INLINE floats value(floats x) { return hyperbolic_tangent<T>(x); }
    static ALWAYS_INLINE floats slope(floats x, floats g) {
        const floats e = decay<T>(2.0f * magnitude(x)), r = reciprocal<T>(1.0f + e);
        return g * (4.0f * e * r * r);
    }
};

template <class T> struct GELU {
    static constexpr bool monotone = false;
    static ALWAYS_INLINE floats value(floats x) { return x * standard_normal<T>(x).cumulative; }
    static ALWAYS_INLINE floats slope(floats x, floats g) {
        const Normal normal = standard_normal<T>(x);
        return g * (normal.cumulative + x * normal.density);
    }
};

template <class T> struct SiLU {
    static constexpr bool monotone = false;
    static ALWAYS_INLINE floats value(floats x) { return x * logistic<T>(x); }
    static ALWAYS_INLINE floats slope(floats x, floats g) {
        const floats s = logistic<T>(x);
        return g * (s * (1.0f + x * (1.0f - s)));
    }
};
