namespace Campaigns.Reports;

/// <summary>How the page looks: on a desk, on a phone, and printed in black and white.</summary>
internal static class ReportStyle
{
    public const string Css = """
        :root { color-scheme: light; }
        body { margin: 0; background: #fff; color: #1a1a1a;
          font: 16px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
        main { max-width: 48rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
        h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; overflow-wrap: anywhere; }
        h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
        h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
        header p { margin: 0; color: #555; }
        .kind { letter-spacing: .05em; }
        section { margin-top: 2.2rem; padding-top: 1.2rem; border-top: 1px solid #ddd; }
        .alarm { border: 3px solid #000; padding: .8rem; font-weight: 700; }
        svg { display: block; width: 100%; height: auto; margin: .2rem 0 1rem; font-size: 13px; }
        svg text { fill: #1a1a1a; }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        td { white-space: nowrap; }
        .wide + .wide { margin-top: 1.2rem; }
        th, td { padding: .3rem 0 .3rem 1.2rem; border-bottom: 1px solid #e5e5e5; text-align: right; }
        tr > :first-child { text-align: left; font-weight: 400; padding-left: 0; }
        thead th { color: #555; font-weight: 400; vertical-align: bottom; }
        small { color: #555; }
        summary { cursor: pointer; color: #555; }
        @media (min-width: 40rem) { svg { font-size: 10.5px; } }
        @media print { details > * { display: block; } section { break-inside: avoid; }
          details::details-content { content-visibility: visible; block-size: auto; } }
        """;
}
