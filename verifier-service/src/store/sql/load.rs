//! How many connections there are, and how they are used.

use std::ops::Add;

use sqlx::Pool;

/// Connections at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolLoad {
    /// Open, and nobody's.
    pub(crate) idle: usize,
    /// Somebody's.
    pub(crate) in_use: usize,
    /// Most there may be.
    pub(crate) most: usize,
}

impl PoolLoad {
    pub(super) fn of<D: sqlx::Database>(pool: &Pool<D>) -> Self {
        let idle = pool.num_idle();
        let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            idle,
            in_use: number(pool.size()).saturating_sub(idle),
            most: number(pool.options().get_max_connections()),
        }
    }
}

impl Add for PoolLoad {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            idle: self.idle + other.idle,
            in_use: self.in_use + other.in_use,
            most: self.most + other.most,
        }
    }
}
