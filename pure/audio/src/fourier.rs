//! A fast Fourier transform, as much as comparing sounds needs: lengths of powers of two, in place.

use std::f64::consts::PI;

/// A complex number.
pub(crate) type Complex = (f32, f32);

pub(crate) fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// Transforms values whose count is a power of two, with the roots of that count.
pub(crate) struct Fourier {
    roots: Vec<Complex>,
}

impl Fourier {
    /// For `count` values, a power of two.
    pub(crate) fn new(count: usize) -> Self {
        let root = |index: usize| {
            let (sine, cosine) = (-2.0 * PI * index as f64 / count as f64).sin_cos();
            (cosine as f32, sine as f32)
        };
        Fourier { roots: (0..count / 2).map(root).collect() }
    }

    pub(crate) fn forward(&self, values: &mut [Complex]) {
        let count = values.len();
        let bits = count.trailing_zeros();
        for index in 0..count {
            let mirror = index.reverse_bits() >> (usize::BITS - bits);
            if index < mirror {
                values.swap(index, mirror);
            }
        }
        let mut half = 1;
        while half < count {
            let stride = count / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (index, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let turned = times(*b, self.roots[index * stride]);
                    *b = (a.0 - turned.0, a.1 - turned.1);
                    *a = (a.0 + turned.0, a.1 + turned.1);
                }
            }
            half *= 2;
        }
    }

    /// The way back, times the count.
    pub(crate) fn backward(&self, values: &mut [Complex]) {
        values.iter_mut().for_each(|value| value.1 = -value.1);
        self.forward(values);
        values.iter_mut().for_each(|value| value.1 = -value.1);
    }
}
