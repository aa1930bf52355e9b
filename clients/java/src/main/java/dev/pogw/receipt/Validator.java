package dev.pogw.receipt;

import static dev.pogw.receipt.Values.list;
import static dev.pogw.receipt.Values.number;
import static dev.pogw.receipt.Values.object;
import static dev.pogw.receipt.Values.string;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Validates receipts: a token, a key set and a time in; a receipt or a reason out. */
public final class Validator {
    private static final int MAX_TOKEN_BYTES = 1 << 20;
    private static final long LEEWAY_S = 60;
    private static final List<String> HEADER = List.of("typ", "alg", "kid");

    private final Jwks keys;
    private final Expectations expected;

    /**
     * What a relying party demands. {@code minimumLevel} null is A1, and A0 counts as A1 unless {@code dangerAcceptA0}:
     * A0 is what anybody can say without owning a GPU. {@code job} and {@code nonce} may be null.
     */
    public record Expectations(
            String issuer, String audience, String minimumLevel, boolean dangerAcceptA0, String job, String nonce) {
        public Expectations {
            if (issuer == null || audience == null || minimumLevel != null && !Claims.LEVELS.contains(minimumLevel)) {
                throw new IllegalArgumentException("no receipt could meet these expectations");
            }
            String atLeastA1 = minimumLevel == null || minimumLevel.equals("A0") ? "A1" : minimumLevel;
            minimumLevel = dangerAcceptA0 ? "A0" : atLeastA1;
        }
    }

    public Validator(Jwks keys, Expectations expected) {
        this.keys = keys;
        this.expected = expected;
    }

    /** Validates a token at a time, in seconds since 1970. It does not remember: pay once for each {@link Receipt#id}. */
    public Receipt validate(String token, long now) throws Rejected {
        String[] parts = token.split("\\.", -1);
        byte[][] decoded = decode(token, parts);
        Map<String, String> header = header(decoded[0]);
        Jwks.Key key = key(header);
        if (!key.hasSigned(parts[0] + "." + parts[1], decoded[2])) {
            throw new Rejected("signature_invalid", "signature of key %s does not hold", key.kid());
        }
        // Nothing of the payload is read before the signature holds.
        Map<String, Object> claims = Claims.read(Json.readObject(decoded[1]));
        isFromAndForUs(claims);
        isInTime(claims, now);
        if (key.retiredAt() != null && number(claims, "iat") > key.retiredAt()) {
            throw new Rejected("key_retired", "key %s was retired before the receipt was issued", key.kid());
        }
        Rules.check(claims);
        isWhatWasAsked(claims);
        return new Receipt(claims);
    }

    private static byte[][] decode(String token, String[] parts) throws Rejected {
        int size = token.getBytes(StandardCharsets.UTF_8).length;
        if (size > MAX_TOKEN_BYTES) {
            throw new Rejected("token_too_large", "token: expected at most %d bytes, got %d", MAX_TOKEN_BYTES, size);
        }
        if (parts.length != 3) {
            throw new Rejected("token_parts", "token: expected 3 parts, got %d", parts.length);
        }
        byte[][] decoded = new byte[3][];
        for (int i = 0; i < 3; i++) {
            decoded[i] = Values.fromBase64url(parts[i]);
            if (decoded[i] == null) {
                throw new Rejected("base64url_malformed", "part %d is not unpadded base64url", i + 1);
            }
        }
        return decoded;
    }

    /** A header of exactly typ, alg and kid. */
    private static Map<String, String> header(byte[] bytes) throws Rejected {
        Map<String, Object> members = Json.readObject(bytes);
        for (String name : new TreeMap<>(members).keySet()) {
            if (!HEADER.contains(name)) {
                throw new Rejected("header_member_not_allowed", "header member %s is not allowed", Rejected.excerpt(name));
            }
        }
        Map<String, String> header = new HashMap<>();
        for (String name : HEADER) {
            if (!members.containsKey(name)) {
                throw new Rejected("header_member_missing", "header member %s is missing", name);
            }
            if (!(members.get(name) instanceof String text)) {
                throw new Rejected("header_member_malformed", "header member %s is not a string", name);
            }
            header.put(name, text);
        }
        if (!header.get("typ").equals("eat+jwt")) {
            throw new Rejected("typ_mismatch", "typ: expected eat+jwt, got %s", Rejected.excerpt(header.get("typ")));
        }
        return header;
    }

    /** The key decides the algorithm, not the header (RFC 8725 section 3.1). */
    private Jwks.Key key(Map<String, String> header) throws Rejected {
        Jwks.Key key = keys.find(header.get("kid"));
        if (key == null) {
            throw new Rejected("key_unknown", "no key %s in the key set", Rejected.excerpt(header.get("kid")));
        }
        if (!header.get("alg").equals(key.algorithm())) {
            throw new Rejected("algorithm_mismatch", "alg: expected %s, got %s", key.algorithm(),
                    Rejected.excerpt(header.get("alg")));
        }
        return key;
    }

    private void isFromAndForUs(Map<String, Object> claims) throws Rejected {
        if (!claims.get("iss").equals(expected.issuer())) {
            throw new Rejected("issuer_mismatch", "iss: expected %s, got %s", expected.issuer(),
                    Rejected.excerpt(claims.get("iss")));
        }
        if (!list(claims.get("aud")).contains(expected.audience())) {
            throw new Rejected("audience_mismatch", "aud: expected %s, got %s", expected.audience(),
                    Rejected.excerpt(claims.get("aud")));
        }
    }

    private static void isInTime(Map<String, Object> claims, long now) throws Rejected {
        long latest = now + LEEWAY_S;
        if (number(claims, "iat") > latest) {
            throw new Rejected("issued_in_future", "iat %s is later than %d", claims.get("iat"), latest);
        }
        if (number(claims, "nbf") > latest) {
            throw new Rejected("not_yet_valid", "nbf %s is later than %d", claims.get("nbf"), latest);
        }
        // RFC 7519 section 4.1.4: not on or after exp.
        if (claims.containsKey("exp") && number(claims, "exp") + LEEWAY_S <= now) {
            throw new Rejected("expired", "exp %s is not later than %d", claims.get("exp"), now);
        }
    }

    private void isWhatWasAsked(Map<String, Object> claims) throws Rejected {
        Map<String, Object> work = object(claims.get("pogw"));
        String level = string(object(work.get("assurance")), "level");
        if (Claims.LEVELS.indexOf(level) < Claims.LEVELS.indexOf(expected.minimumLevel())) {
            throw new Rejected("assurance_level_too_low", "expected at least %s, got %s", expected.minimumLevel(), level);
        }
        if (expected.job() != null && !expected.job().equals(work.get("job_digest"))) {
            throw new Rejected("job_mismatch", "job_digest: expected %s", expected.job());
        }
        if (expected.nonce() != null && !expected.nonce().equals(claims.get("eat_nonce"))) {
            throw new Rejected("nonce_mismatch", "eat_nonce: expected %s", expected.nonce());
        }
    }
}
