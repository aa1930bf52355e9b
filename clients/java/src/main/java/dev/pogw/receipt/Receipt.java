package dev.pogw.receipt;

import static dev.pogw.receipt.Values.object;
import static dev.pogw.receipt.Values.string;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** A receipt that was validated: signed by a key of the set, for us, in time, and free of contradictions. */
public final class Receipt {
    private final Map<String, Object> claims;

    Receipt(Map<String, Object> claims) {
        this.claims = claims;
    }

    /** What to pay once for ({@code jti}). Two different tokens may be one receipt. */
    public String id() {
        return string(claims, "jti");
    }

    /** Whose work it is. */
    public String subject() {
        return string(claims, "sub");
    }

    /** What was asked. */
    public String jobDigest() {
        return string(work(), "job_digest");
    }

    /** How much hardware stands behind it; it says nothing about the result. */
    public String level() {
        return string(object(work().get("assurance")), "level");
    }

    /** The checks of the result that held; they say nothing about the device. */
    public Set<String> results() {
        return Set.copyOf(Values.<String>list(object(work().get("assurance")).get("results")));
    }

    /** Whether it has this level or a higher one, and each of these checks of the result held. */
    public boolean meets(String level, String... checks) {
        int wanted = Claims.LEVELS.indexOf(level);
        return wanted >= 0 && Claims.LEVELS.indexOf(level()) >= wanted && results().containsAll(List.of(checks));
    }

    private Map<String, Object> work() {
        return object(claims.get("pogw"));
    }
}
