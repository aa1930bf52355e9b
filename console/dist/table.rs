// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-16ef2ccdb196.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "16ef2ccdb1967cb6231168c5a79e422a92cdf1355706f0be111bc4987000c5bb",
        is_named_by_content: true,
        plain: include_bytes!("console-16ef2ccdb196.js"),
        brotli: include_bytes!("console-16ef2ccdb196.js.br"),
    },
    Asset {
        path: "console-15a069f59265.css",
        media_type: "text/css; charset=utf-8",
        sha256: "15a069f59265d4bf14659aceb86336c8fedd7e7155445c8e91b0fd70934636fc",
        is_named_by_content: true,
        plain: include_bytes!("console-15a069f59265.css"),
        brotli: include_bytes!("console-15a069f59265.css.br"),
    },
    Asset {
        path: "icon-784a4185d243.svg",
        media_type: "image/svg+xml",
        sha256: "784a4185d2436f82faab3c035c49a66a804c8baa0ac2c7259288ba24cc4bba5a",
        is_named_by_content: true,
        plain: include_bytes!("icon-784a4185d243.svg"),
        brotli: include_bytes!("icon-784a4185d243.svg.br"),
    },
    Asset {
        path: "licences-3484ec557e71.txt",
        media_type: "text/plain; charset=utf-8",
        sha256: "3484ec557e71cbf551f9809541abcb507a8075135a0550de419528fb49105c29",
        is_named_by_content: true,
        plain: include_bytes!("licences-3484ec557e71.txt"),
        brotli: include_bytes!("licences-3484ec557e71.txt.br"),
    },
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        sha256: "0d591cb6958b3c92bacfcf6ba8f747fd93115f56565c2fb6dea7839f91859b21",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
