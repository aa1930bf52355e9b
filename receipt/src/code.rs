//! One stable snake_case word per reason.

/// Gives an error type `code()` and the table of its codes, from one list. Arms after a semicolon pass on the code of
/// an error inside.
macro_rules! codes {
    ($type:ident: $($variant:ident = $code:literal,)+ $(; $inner:pat => $inner_code:expr)*) => {
        impl $type {
            /// The words [`code`](Self::code) answers on its own account, in the order of the checks.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// The stable snake_case word for this reason: for metrics, problem types and test vectors.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)+
                    $($inner => $inner_code,)*
                }
            }
        }
    };
}
pub(crate) use codes;
