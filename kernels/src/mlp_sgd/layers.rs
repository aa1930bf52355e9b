//! The layers of a network and where their parameters are.
//!
//! In scope: sizes and places. Out of scope: what the parameters are.

use crate::job::LimitError;

/// Most units of a layer.
///
/// Keeps the numbers of a step far inside f32 (the end of the specification's section on a step), and a layer's
/// parameters at 4 MiB.
pub const MAX_WIDTH: u32 = 1024;

/// Units of each layer: inputs, one or two hidden layers, outputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layers(Vec<u32>);

/// One dense layer: a matrix of `inputs + 1` rows, the last of them the bias, and `outputs` columns, row major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Units it reads.
    pub inputs: usize,
    /// Units it has.
    pub outputs: usize,
    /// Its first parameter among those of the network.
    pub first: usize,
}

impl Dense {
    /// Parameters: weights and biases.
    #[must_use]
    pub const fn len(self) -> usize {
        self.weights() + self.outputs
    }

    /// Whether it has no parameter; it always has.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Parameters without the bias.
    #[must_use]
    pub const fn weights(self) -> usize {
        self.inputs * self.outputs
    }

    /// What initial weights are scaled by: their variance becomes 1/inputs.
    pub(super) fn gain(self) -> f32 {
        (3.0 / self.inputs as f32).sqrt()
    }
}

impl Layers {
    /// Checks the number of layers and the width of each.
    ///
    /// # Errors
    ///
    /// The first limit that does not hold.
    pub fn new(widths: Vec<u32>) -> Result<Self, LimitError> {
        LimitError::check("number of layers", 3, 4, widths.len() as u64)?;
        for width in &widths {
            LimitError::check("layers", 1, u64::from(MAX_WIDTH), u64::from(*width))?;
        }
        Ok(Self(widths))
    }

    /// The teacher of a seeded regression between the same inputs and outputs.
    pub(super) fn teacher(&self) -> Self {
        Self(vec![self.0[0], TEACHER_WIDTH, self.0[self.0.len() - 1]])
    }

    /// Units of each layer, inputs first.
    #[must_use]
    pub fn widths(&self) -> &[u32] {
        &self.0
    }

    /// Inputs of the network.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.0[0] as usize
    }

    /// Outputs of the network.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.0[self.0.len() - 1] as usize
    }

    /// The dense layers, from the inputs on.
    #[must_use]
    pub fn dense(&self) -> Vec<Dense> {
        let mut first = 0;
        let pairs = self.0.windows(2).map(|pair| {
            let (inputs, outputs) = (pair[0] as usize, pair[1] as usize);
            let dense = Dense {
                inputs,
                outputs,
                first,
            };
            first += dense.len();
            dense
        });
        pairs.collect()
    }

    /// Parameters of the network.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.dense().into_iter().map(Dense::len).sum()
    }

    /// Operations of a step for one sample: forward and gradient for every parameter, backward for the weights of every
    /// layer but the first.
    pub(super) fn operations(&self) -> u64 {
        let backward: usize = self.dense()[1..].iter().map(|dense| dense.weights()).sum();
        2 * (2 * self.parameters() + backward) as u64
    }
}

/// Hidden units of a teacher.
const TEACHER_WIDTH: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_lie_one_after_the_other() {
        let layers = Layers::new(vec![2, 3, 4, 5]).unwrap();
        let places: Vec<_> = layers.dense().iter().map(|d| (d.first, d.len())).collect();
        assert_eq!(places, [(0, 9), (9, 16), (25, 25)]);
        assert_eq!(layers.parameters(), 50);
        assert_eq!(layers.operations(), 2 * (2 * 50 + 3 * 4 + 4 * 5));
    }

    #[test]
    fn only_one_or_two_hidden_layers_of_allowed_widths() {
        for widths in [
            vec![],
            vec![1, 1],
            vec![1; 5],
            vec![1, 0, 1],
            vec![1, 1025, 1],
        ] {
            assert!(Layers::new(widths.clone()).is_err(), "{widths:?}");
        }
        assert!(Layers::new(vec![MAX_WIDTH; 4]).is_ok());
    }
}
