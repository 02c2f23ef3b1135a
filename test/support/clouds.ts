/** For tests in which no cloud is asked. */
export const noClouds = {
  async prove(): Promise<never> {
    throw new Error('No cloud is asked in this test');
  },
  async revoke(): Promise<never> {
    throw new Error('No cloud is asked in this test');
  },
};
