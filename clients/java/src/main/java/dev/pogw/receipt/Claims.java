package dev.pogw.receipt;

import static dev.pogw.receipt.Values.AUDIENCE;
import static dev.pogw.receipt.Values.DIGEST;
import static dev.pogw.receipt.Values.FLAG;
import static dev.pogw.receipt.Values.MAX_INTEGER;
import static dev.pogw.receipt.Values.METHOD_NAME;
import static dev.pogw.receipt.Values.NONCE;
import static dev.pogw.receipt.Values.NUMBER;
import static dev.pogw.receipt.Values.OBJECT;
import static dev.pogw.receipt.Values.STRING;
import static dev.pogw.receipt.Values.TEXT;
import static dev.pogw.receipt.Values.THUMBPRINT;
import static dev.pogw.receipt.Values.array;
import static dev.pogw.receipt.Values.integer;
import static dev.pogw.receipt.Values.may;
import static dev.pogw.receipt.Values.must;
import static dev.pogw.receipt.Values.object;
import static dev.pogw.receipt.Values.orNull;
import static dev.pogw.receipt.Values.shape;
import static dev.pogw.receipt.Values.word;

import dev.pogw.receipt.Values.Field;
import dev.pogw.receipt.Values.Invalid;
import dev.pogw.receipt.Values.Read;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** From the members of a JSON object to claims: each by name, so that a refusal can say which. */
final class Claims {
    /** The profile of the claims (RFC 9711 section 6). */
    static final String PROFILE = "tag:pogw.dev,2026:work-receipt#1";

    static final List<String> LEVELS = List.of("A0", "A1", "A2", "A3");
    static final List<String> RESULTS = List.of("audit", "freivalds", "sumcheck", "replicas");
    /** From the worst to the best. */
    static final List<String> TIERS = List.of("contraindicated", "warning", "none", "affirming");

    private static final Read SOURCE = word(
            "hardware", "recomputation", "replicas", "verifier_clock", "guest_asserted", "provider_asserted");
    private static final Read CATEGORY = integer(-128, 127);

    private static final Read VECTOR = shape(
            may("instance-identity", CATEGORY), may("configuration", CATEGORY), may("executables", CATEGORY),
            may("file-system", CATEGORY), may("hardware", CATEGORY), may("runtime-opaque", CATEGORY),
            may("storage-opaque", CATEGORY), may("sourced-data", CATEGORY));

    private static final Map<String, Field> OURS = byName(
            must("ear_status", word(TIERS)), must("ear_trustworthiness_vector", VECTOR),
            must("ear_appraisal_policy_ids", array(TEXT)), may("eat_nonce", NONCE));

    private static final Map<String, Read> VENDOR = Map.of(
            "measres", orNull(word("success", "fail")), "secboot", orNull(FLAG), "dbgstat", orNull(STRING),
            "hwmodel", orNull(STRING), "ueid", orNull(STRING), "oemid", orNull(STRING));

    private static final Read FINDING = shape(
            must("method", METHOD_NAME),
            must("status", word("affirmed", "refuted", "unverifiable", "not_requested")),
            must("source", SOURCE),
            may("log2_error", integer(-4096, 0)), may("wrong_ppm", integer(1, 1_000_000)),
            may("chain", shape(must("steps", integer(2, MAX_INTEGER)), must("points", integer(1, MAX_INTEGER)),
                    must("drawn", integer(1, 0xffff_ffffL)))),
            may("agreeing", integer(2, 8)));

    private static final Read CERTIFICATE = shape(
            must("chain", TEXT), must("position", integer(0, 255)), must("subject", TEXT),
            must("status", word("good", "on_hold", "revoked", "unknown", "not_checked")),
            may("reason", TEXT), may("sha256", DIGEST), may("this_update", NUMBER), may("next_update", NUMBER));

    // In the order in which the Rust crate reads them.
    private static final Field[] CLAIMS = {
        must("iss", TEXT), must("sub", TEXT), must("aud", AUDIENCE), must("iat", NUMBER), must("nbf", NUMBER),
        may("exp", NUMBER), must("jti", TEXT), must("cnf", shape(must("jkt", THUMBPRINT))),
        must("eat_nonce", NONCE), must("ear_verifier_id", shape(must("developer", TEXT), must("build", TEXT))),
        must("ear_status", word(TIERS)), must("submods", Claims::submods), must("pogw", OBJECT),
    };

    private static final Field[] WORK = {
        must("job_digest", DIGEST),
        may("kernel", shape(must("name", TEXT), must("digest", DIGEST))),
        may("program", asserted(
                shape(must("name", TEXT), must("blake3", DIGEST), must("exit_code", integer(0, 255))))),
        may("executor", asserted(TEXT)),
        may("module_digest", asserted(DIGEST)),
        must("outputs", array(shape(must("name", TEXT), must("len", NUMBER), must("blake3", DIGEST)))),
        may("trace", shape(must("entries", NUMBER), must("blake3", DIGEST))),
        must("devices", array(shape(must("id", TEXT), must("submod", TEXT),
                must("kind", word("gpu", "nvswitch", "cpu_tee")), must("arch", TEXT), must("simulated", FLAG)))),
        must("methods", array(FINDING)),
        must("assurance", shape(must("level", word(LEVELS)), must("results", array(word(RESULTS))))),
        must("policy", shape(must("id", TEXT), must("sha256", DIGEST))),
        must("collateral", array(shape(must("id", TEXT), must("sha256", DIGEST), must("as_of", NUMBER)))),
        must("revocation", array(CERTIFICATE)),
        must("evidence_digest", DIGEST),
        may("timings", shape(must("source", SOURCE), must("started_unix_ms", NUMBER),
                must("finished_unix_ms", NUMBER), may("device_ns", NUMBER))),
        must("as_of", NUMBER),
        may("batch", shape(must("root", DIGEST), must("index", NUMBER), must("size", NUMBER),
                must("path", array(DIGEST)))),
        may("log_index", NUMBER),
    };

    private Claims() {}

    /** Claims that are not known are ignored beside ours, and refused inside {@code pogw}. */
    static Map<String, Object> read(Map<String, Object> payload) throws Rejected {
        // Before anything else: the claims of another profile have another shape.
        Object profile = members("", payload, must("eat_profile", STRING)).get("eat_profile");
        if (!profile.equals(PROFILE)) {
            throw new Rejected("profile_mismatch", "eat_profile: expected %s, got %s", PROFILE, Rejected.excerpt(profile));
        }
        Map<String, Object> claims = members("", payload, CLAIMS);
        Map<String, Object> given = object(claims.get("pogw"));
        Map<String, Object> work = members("pogw.", given, WORK);
        for (String name : given.keySet()) {
            if (!work.containsKey(name)) {
                throw new Rejected("claim_unknown", "claim pogw.%s is unknown", Rejected.excerpt(name));
            }
        }
        claims.put("pogw", work);
        return claims;
    }

    static boolean isVendorClaim(String name) {
        return VENDOR.containsKey(name) || name.startsWith("x-nvidia-");
    }

    private static Map<String, Object> members(String prefix, Map<String, Object> given, Field... fields)
            throws Rejected {
        Map<String, Object> found = new LinkedHashMap<>();
        for (Field field : fields) {
            String claim = prefix + field.name();
            if (!given.containsKey(field.name())) {
                if (field.required()) {
                    throw new Rejected("claim_missing", "claim %s is missing", claim);
                }
                continue;
            }
            try {
                found.put(field.name(), field.read().of(given.get(field.name())));
            } catch (Invalid error) {
                throw new Rejected("claim_malformed", "claim %s: %s", claim, error.getMessage());
            }
        }
        return found;
    }

    private static Read asserted(Read value) {
        return shape(must("value", value), must("source", SOURCE));
    }

    private static Map<String, Field> byName(Field... fields) {
        Map<String, Field> named = new LinkedHashMap<>();
        for (Field field : fields) {
            named.put(field.name(), field);
        }
        return named;
    }

    private static Object submods(Object value) throws Invalid {
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<String, Object> one : object(OBJECT.of(value)).entrySet()) {
            found.put((String) TEXT.of(one.getKey()), appraisal(one.getValue()));
        }
        return found;
    }

    /** Our own claims about a device, and NVIDIA's; others are ignored (draft-ietf-rats-ear-04 section 4). */
    private static Object appraisal(Object value) throws Invalid {
        Map<String, Object> ours = new LinkedHashMap<>();
        Map<String, Object> vendor = new LinkedHashMap<>();
        for (Map.Entry<String, Object> claim : object(OBJECT.of(value)).entrySet()) {
            String name = claim.getKey();
            if (OURS.containsKey(name)) {
                ours.put(name, claim.getValue());
            } else if (isVendorClaim(name)) {
                vendor.put(name, VENDOR.getOrDefault(name, any -> any).of(claim.getValue()));
            }
        }
        if (vendor.size() > 128) {
            throw new Invalid("at most 128 vendor claims", vendor.size());
        }
        Map<String, Object> found = object(shape(OURS.values().toArray(new Field[0])).of(ours));
        found.putAll(vendor);
        return found;
    }
}
