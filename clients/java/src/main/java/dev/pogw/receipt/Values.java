package dev.pogw.receipt;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/** The small types of claims: each reader returns the value if it is of its type, and fails otherwise. */
final class Values {
    static final long MAX_INTEGER = (1L << 53) - 1;

    /** Control characters, and those that reorder the text around them. */
    private static final Pattern UNPRINTABLE =
            Pattern.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]");
    private static final Pattern BASE64URL = Pattern.compile("[A-Za-z0-9_-]*");
    private static final Pattern HEX_32 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern METHOD = Pattern.compile("[a-z0-9_]{1,64}");

    private Values() {}

    /** A value that is not of its type. */
    static final class Invalid extends Exception {
        private static final long serialVersionUID = 1L;

        Invalid(String expected, Object actual) {
            super("expected " + expected + ", got " + Rejected.excerpt(actual));
        }
    }

    /** Reads a value. */
    @FunctionalInterface
    interface Read {
        Object of(Object value) throws Invalid;
    }

    /** A member of an object. */
    record Field(String name, boolean required, Read read) {}

    static Field must(String name, Read read) {
        return new Field(name, true, read);
    }

    static Field may(String name, Read read) {
        return new Field(name, false, read);
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static <T> List<T> list(Object value) {
        return (List<T>) value;
    }

    static String string(Map<String, Object> object, String name) {
        return (String) object.get(name);
    }

    static long number(Map<String, Object> object, String name) {
        return (Long) object.getOrDefault(name, 0L);
    }

    /** Strict: no padding, no other alphabet, no white space, no spare bits in the last character; null otherwise. */
    static byte[] fromBase64url(String text) {
        if (!BASE64URL.matcher(text).matches() || text.length() % 4 == 1) {
            return null;
        }
        byte[] bytes = Base64.getUrlDecoder().decode(text);
        return toBase64url(bytes).equals(text) ? bytes : null;
    }

    static String toBase64url(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    private static Read matching(String what, Predicate<String> fits) {
        return value -> {
            if (value instanceof String text && fits.test(text)) {
                return text;
            }
            throw new Invalid(what, value);
        };
    }

    private static Predicate<String> bytes(int lowest, int highest) {
        return text -> {
            byte[] bytes = fromBase64url(text);
            return bytes != null && bytes.length >= lowest && bytes.length <= highest;
        };
    }

    private static boolean isText(String text) {
        int size = text.getBytes(StandardCharsets.UTF_8).length;
        return size >= 1 && size <= 512 && !UNPRINTABLE.matcher(text).find();
    }

    static final Read STRING = matching("a string", text -> true);
    static final Read TEXT = matching("1 to 512 bytes of printable text", Values::isText);
    static final Read DIGEST = matching("64 lower-case hexadecimal digits", text -> HEX_32.matcher(text).matches());
    static final Read NONCE = matching("base64url of 8 to 64 bytes", bytes(8, 64));
    static final Read THUMBPRINT = matching("base64url of 32 bytes", bytes(32, 32));
    static final Read METHOD_NAME =
            matching("1 to 64 lower-case letters, digits and underscores", text -> METHOD.matcher(text).matches());
    static final Read NUMBER = integer(0, MAX_INTEGER);

    static final Read FLAG = value -> {
        if (value instanceof Boolean) {
            return value;
        }
        throw new Invalid("true or false", value);
    };

    static final Read OBJECT = value -> {
        if (value instanceof Map) {
            return value;
        }
        throw new Invalid("an object", value);
    };

    static Read word(List<String> words) {
        return matching(String.join(" | ", words), words::contains);
    }

    static Read word(String... words) {
        return word(Arrays.asList(words));
    }

    static Read integer(long lowest, long highest) {
        return value -> {
            if (value instanceof Long number && number >= lowest && number <= highest) {
                return number;
            }
            throw new Invalid("an integer from " + lowest + " to " + highest, value);
        };
    }

    static Read orNull(Read read) {
        return value -> value == null ? null : read.of(value);
    }

    static Read array(Read item) {
        return value -> {
            if (!(value instanceof List)) {
                throw new Invalid("an array", value);
            }
            List<Object> items = new ArrayList<>();
            for (Object one : Values.<Object>list(value)) {
                items.add(item.of(one));
            }
            return items;
        };
    }

    /** An object of exactly these members. {@code null} is not a way to be absent. */
    static Read shape(Field... fields) {
        return value -> {
            Map<String, Object> given = object(OBJECT.of(value));
            Map<String, Object> found = new LinkedHashMap<>();
            for (Field field : fields) {
                if (given.containsKey(field.name())) {
                    found.put(field.name(), field.read().of(given.get(field.name())));
                } else if (field.required()) {
                    throw new Invalid("member " + field.name(), "none");
                }
            }
            if (found.size() < given.size()) {
                throw new Invalid("no other member", given.keySet());
            }
            return found;
        };
    }

    /** A string, or an array of 1 to 16 different ones (RFC 7519 section 4.1.3); always read as a list. */
    static final Read AUDIENCE = value -> {
        List<Object> names = list(array(TEXT).of(value instanceof List ? value : Arrays.asList(value)));
        if (names.isEmpty() || names.size() > 16 || new HashSet<>(names).size() < names.size()) {
            throw new Invalid("1 to 16 different names", names.size());
        }
        return names;
    };
}
