import type { PriceSnapshot } from "./snapshot.ts";

/** Written by `npm run prices`. */
export const prices: PriceSnapshot = {
  date: "2026-07-20",
  source: "AWS' list prices, on demand, Linux; p4d, p4de and p5 seen again on 2026-11-09",
  currency: "USD",
  regions: {
    "us-east-1": {
      instances: {
        "g4dn.xlarge": 0.526,
        "g5.12xlarge": 5.672,
        "g5.48xlarge": 16.288,
        "g5.xlarge": 1.006,
        "g6.xlarge": 0.8048,
        "g6e.12xlarge": 10.49264,
        "g6e.48xlarge": 30.13118,
        "g6e.xlarge": 1.861,
        "m7i.2xlarge": 0.4032,
        "m7i.4xlarge": 0.8064,
        "m7i.large": 0.1008,
        "m7i.xlarge": 0.2016,
        "p4d.24xlarge": 21.957642,
        "p4de.24xlarge": 27.44705,
        "p5.48xlarge": 55.04,
        "p5.4xlarge": 6.88,
        "p5en.48xlarge": 63.296,
      },
      controlPlane: 0.1,
      natGateway: 0.045,
      natGigabyte: 0.045,
      loadBalancer: 0.0225,
      loadBalancerUnit: 0.006,
      interfaceEndpoint: 0.01,
      volumeGigabyte: 0.08,
      bucketGigabyte: 0.023,
      logGigabyte: 0.03,
      logIngestion: 0.5,
      key: 1,
      secret: 0.4,
    },
  },
};
