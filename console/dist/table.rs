// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-8acf6d03a2b6.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "8acf6d03a2b6a85d21aa7800da2011bea4606a93d287c7cccd40c1c562cfa772",
        is_named_by_content: true,
        plain: include_bytes!("console-8acf6d03a2b6.js"),
        brotli: include_bytes!("console-8acf6d03a2b6.js.br"),
    },
    Asset {
        path: "console-31df610a8cad.css",
        media_type: "text/css; charset=utf-8",
        sha256: "31df610a8cad375c8f2879910aec9e1ec9c853945409e62aebe6f1fd6a61e746",
        is_named_by_content: true,
        plain: include_bytes!("console-31df610a8cad.css"),
        brotli: include_bytes!("console-31df610a8cad.css.br"),
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
        sha256: "468bb5df86e20285dc1a84e4919bf32c73dbaaf8fed98f8871e7fa2d2de9f46a",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]
