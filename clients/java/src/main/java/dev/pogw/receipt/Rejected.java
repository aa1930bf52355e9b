package dev.pogw.receipt;

/** The first reason why a token is not a receipt, or a text not a key set. */
public final class Rejected extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int MAX_EXCERPT = 64;

    private final String code;

    Rejected(String code, String message, Object... values) {
        super(String.format(message, values));
        this.code = code;
    }

    /** The stable snake_case word for the reason; those of the Rust crate. */
    public String code() {
        return code;
    }

    /** The beginning of foreign text. */
    static String excerpt(Object value) {
        String text = String.valueOf(value);
        return text.length() <= MAX_EXCERPT ? text : text.substring(0, MAX_EXCERPT) + "…";
    }
}
