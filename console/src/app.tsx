/** The frame around every page: where one is, where one can go, who one is. */
import { useEffect, useState } from "preact/hooks";
import * as api from "./api.ts";
import { useLoaded } from "./parts.tsx";
import { ApiPage } from "./pages/api.tsx";
import { CollateralPage } from "./pages/collateral.tsx";
import { FleetPage } from "./pages/fleet.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { ReceiptPage } from "./pages/receipt.tsx";
import { Account, SignInDialog } from "./pages/signin.tsx";
import { StatementPage } from "./pages/statement.tsx";
import { href, Link, placeOf, Title, usePath, type Place } from "./router.tsx";

const PAGES = [
  ["", "Receipt"], ["jobs", "Jobs"], ["fleet", "Fleet"], ["collateral", "Collateral"], ["statement", "Statement"], ["overview", "Overview"], ["api", "Interface"],
] as const;

export function App() {
  const place = placeOf(usePath());
  const service = useLoaded(api.service, []);
  const here = place.page === "receipts" ? "" : place.page;
  return (
    <>
      <a class="skip" href="#main">To the content</a>
      <header class="top">
        <div class="bar">
          <Link to={href("")} class="brand"><Logo /> PoGW <span class="muted">verifier</span></Link>
          <Account />
        </div>
        <nav aria-label="Pages">
          <ul>{PAGES.map(([page, name]) => <li key={page}><Link to={href(page)} current={here === page}>{name}</Link></li>)}</ul>
        </nav>
      </header>
      <main id="main" tabIndex={-1}><Page place={place} /></main>
      <footer>
        <p>{service.value === undefined ? "" : <>{service.value.issuer}, {service.value.build}</>}</p>
        <Theme />
        {service.value?.takes_simulated_devices === true && <p class="muted">This verifier takes software devices for trying things out. What they prove is nothing, and their receipts say so.</p>}
      </footer>
      <SignInDialog />
    </>
  );
}

function Page({ place: { page, item } }: { place: Place }) {
  switch (page) {
    case "":
    case "receipts": return <ReceiptPage id={item} />;
    case "jobs": return <JobsPage id={item} />;
    case "fleet": return <FleetPage />;
    case "collateral": return <CollateralPage />;
    case "statement": return <StatementPage />;
    case "overview": return <OverviewPage />;
    case "api": return <ApiPage id={item} />;
    default: return <Title lead="The links above lead to what there is.">There is no such page</Title>;
  }
}

function Logo() {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true" class="logo">
      <rect x="3" y="3" width="18" height="18" rx="5" />
      <path d="M8 12.5 11 15.5 16.5 9" />
    </svg>
  );
}

const THEMES = ["system", "light", "dark"] as const;

/** The choice of colours is kept, since it is no secret; without one, the system's is followed. */
function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("pogw-theme") ?? "system");
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    if (theme === "system") localStorage.removeItem("pogw-theme");
    else localStorage.setItem("pogw-theme", theme);
  }, [theme]);
  return (
    <label class="theme">Colours
      <select value={theme} onChange={(event) => setTheme(event.currentTarget.value)}>
        {THEMES.map((name) => <option key={name} value={name}>{name}</option>)}
      </select>
    </label>
  );
}
