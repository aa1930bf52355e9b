package dev.pogw.receipt;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as the profile allows it: no member twice, integers of at most 53 bits, nesting of at most 16.
 *
 * <p>Jackson reads the tokens; what it would let through is refused here. Given bytes it would guess an encoding, so it is
 * given text. Values are null, Boolean, Long, String, List and Map.
 */
final class Json {
    private static final int MAX_DEPTH = 16;
    private static final long MAX_INTEGER = (1L << 53) - 1;
    private static final JsonFactory FACTORY = new JsonFactory();

    private final JsonParser parser;

    private Json(JsonParser parser) {
        this.parser = parser;
    }

    /** Reads one object and nothing after it. */
    static Map<String, Object> readObject(byte[] bytes) throws Rejected {
        try (JsonParser parser = FACTORY.createParser(utf8(bytes))) {
            Json json = new Json(parser);
            Object value = json.value(parser.nextToken(), MAX_DEPTH);
            if (parser.nextToken() != null) {
                throw malformed("something follows");
            }
            if (value instanceof Map) {
                return Values.object(value);
            }
            throw new Rejected("json_not_object", "expected an object");
        } catch (JsonProcessingException error) {
            throw malformed(error.getOriginalMessage());
        } catch (IOException error) {
            throw malformed(error.getMessage());
        }
    }

    private static String utf8(byte[] bytes) throws Rejected {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            throw malformed("not UTF-8");
        }
    }

    private static Rejected malformed(String why) {
        return new Rejected("json_malformed", "not JSON: %s", why);
    }

    private Object value(JsonToken token, int depthLeft) throws IOException, Rejected {
        if (token == null) {
            throw malformed("it ends early");
        }
        return switch (token) {
            case START_OBJECT -> object(inner(depthLeft));
            case START_ARRAY -> array(inner(depthLeft));
            case VALUE_STRING -> whole(parser.getText());
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> number(parser.getText(), token);
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw malformed("expected a value");
        };
    }

    private static int inner(int depthLeft) throws Rejected {
        if (depthLeft == 0) {
            throw new Rejected("json_too_deep", "nested deeper than %d", MAX_DEPTH);
        }
        return depthLeft - 1;
    }

    private Map<String, Object> object(int depthLeft) throws IOException, Rejected {
        Map<String, Object> members = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = whole(parser.currentName());
            if (members.containsKey(name)) {
                throw new Rejected("json_duplicate_member", "member %s occurs twice", Rejected.excerpt(name));
            }
            members.put(name, value(parser.nextToken(), depthLeft));
        }
        return members;
    }

    private List<Object> array(int depthLeft) throws IOException, Rejected {
        List<Object> items = new ArrayList<>();
        for (JsonToken token = parser.nextToken(); token != JsonToken.END_ARRAY; token = parser.nextToken()) {
            items.add(value(token, depthLeft));
        }
        return items;
    }

    private static Long number(String digits, JsonToken token) throws Rejected {
        if (Double.isInfinite(Double.parseDouble(digits))) {
            throw malformed("number out of range");
        }
        // Minus zero is a number that only doubles have.
        if (token == JsonToken.VALUE_NUMBER_INT && digits.length() <= 17 && !digits.equals("-0")) {
            long number = Long.parseLong(digits);
            if (Math.abs(number) <= MAX_INTEGER) {
                return number;
            }
        }
        throw new Rejected("json_number_not_integer", "a number is not an integer of at most 53 bits");
    }

    /** Java keeps halves of surrogate pairs; they are no text. */
    private static String whole(String text) throws Rejected {
        if (text == null || text.codePoints().anyMatch(point -> point >= 0xd800 && point <= 0xdfff)) {
            throw malformed("half a character");
        }
        return text;
    }
}
